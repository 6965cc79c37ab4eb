#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The /usr of the slot that runs: what its files say of its version.
set -eu
SIM=/run/simhost
. /usr/lib/simhost/family/slots.sh
version=$(known "$(running)" version)
for file in /usr/lib/os-release /usr/share/flatcar/release; do
  sed "s/@version@/$version/" "$file" >"/run/${file##*/}"
  mount --bind "/run/${file##*/}" "$file"
done
