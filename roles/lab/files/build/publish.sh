#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# publish.sh: move the finished parts into the cache, under their final name in one rename
set -eu
: "${LAB_WORK:?}" "${LAB_CACHE:?}" "${LAB_KEY:?}"
new=$LAB_CACHE/$LAB_KEY.new
rm -rf --one-file-system "$new"
mkdir -p "$new"
cp -r "$LAB_WORK/repo" "$new/repo"
cp -a "$LAB_WORK/keys" "$new/keys"
chmod 0700 "$new/keys/lab" "$new/keys/stranger"
cp --sparse=always "$LAB_WORK/base.qcow2" "$new/base.qcow2"
"$LAB_PYTHON" "$LAB_FILES/build/manifest.py" "$LAB_WORK" "$LAB_FILES" "$LAB_KEY" >"$new/manifest.json"
# Virtual machines use it as the backing file: it must not change.
chmod 0444 "$new/base.qcow2"
mv -T "$new" "$LAB_CACHE/$LAB_KEY"
rm -rf --one-file-system "$LAB_WORK"
