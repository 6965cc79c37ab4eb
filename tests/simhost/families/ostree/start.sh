#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the initramfs (ostree-prepare-root) leaves behind, and the workload of this version.
set -eu
. /usr/lib/simhost/family/deployments.sh
: >/run/ostree-booted
mkdir -p /run/ostree
[ "$(known "$(booted)" quality)" != broken-workload ] || systemctl start workload.service || :
