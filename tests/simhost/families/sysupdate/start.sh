#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The /usr of the version that runs: what its os-release says.
set -eu
sed "s/@version@/$(cat /simhost/booting)/" /usr/lib/os-release >/run/os-release
mount --bind /run/os-release /usr/lib/os-release
