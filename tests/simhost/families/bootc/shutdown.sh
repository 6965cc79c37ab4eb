#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What ostree-finalize-staged.service does while the host shuts down: /etc is merged into the staged deployment, which becomes
# the first. Not what is only downloaded: that is locked, and gone with /run.
set -eu
. /usr/lib/simhost/family/deployments.sh
id=$(staged)
[ -n "$id" ] || exit 0
if [ -e /run/ostree/simhost-locked ]; then
  unstage
  exit 0
fi
cp -a /etc "$DEPLOY/$id/etc"
write_order "$id" "$(booted)"
