#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What ostree-finalize-staged.service does while an OSTree host shuts down: /etc is merged into the staged deployment, the
# boot loader gets its entry, and what is neither new nor running nor pinned is dropped.
set -eu
. /usr/lib/simhost/family/deployments.sh
id=$(staged)
[ -n "$id" ] || exit 0
rm -rf "${DEPLOY:?}/$id/etc"
cp -a /etc "$DEPLOY/$id/etc"
running=$(booted)
set -- "$id"
while read -r one; do
  [ "$one" != "$id" ] || continue
  if [ "$one" = "$running" ] || [ "$(known "$one" pinned)" = yes ]; then set -- "$@" "$one"; fi
done <"$ORDER"
write_order "$@"
