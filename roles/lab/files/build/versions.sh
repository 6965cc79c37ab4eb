#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# versions.sh: the other versions of versions.tsv, each a small layer on version 1
set -eu
: "${LAB_WORK:?}"
repo=$LAB_WORK/repo
kernel=$(ls "$LAB_WORK/tree/usr/lib/modules")
base=$(ostree --repo="$repo" rev-parse lab/x86_64/v1)

grep -v '^#' "$LAB_FILES/versions.tsv" | while read -r name version signer change; do
  [ "$version" != 1 ] || continue
  layer=$LAB_WORK/layer
  rm -rf "$layer"
  mkdir -p "$layer/usr/lib/lab"
  "$LAB_FILES/build/identity.sh" "$layer" "$version"
  case $change in
    never-up | hang)
      mkdir -p "$layer/usr/lib/modules/$kernel"
      "$LAB_FILES/build/initramfs.sh" "$LAB_WORK/tree" "$change" "$layer/usr/lib/modules/$kernel/initramfs.img"
      ;;
    no-network)
      mkdir -p "$layer/usr/etc/systemd/system"
      ln -s /dev/null "$layer/usr/etc/systemd/system/systemd-networkd.service"
      ln -s /dev/null "$layer/usr/etc/systemd/system/systemd-networkd.socket"
      ;;
    broken-workload)
      "$LAB_FILES/build/identity.sh" "$layer" "$version" broken
      ;;
  esac
  find "$layer" -type d -exec chmod 0755 {} +
  "$LAB_FILES/build/commit.sh" "$layer" "lab/x86_64/$name" "$version" "$signer" \
    --owner-uid=0 --owner-gid=0 --base="$base" --parent="$base"
  rm -rf "$layer"
done

# The last thing that happens to the repository, so that the summary is made from sound objects.
grep -v '^#' "$LAB_FILES/versions.tsv" | while read -r name version signer change; do
  [ "$change" = tampered ] || continue
  digest=$(ostree --repo="$repo" rev-parse "lab/x86_64/$name")
  object=$(printf '%s\n' "$digest" | sed "s|^\(..\)\(.*\)|$repo/objects/\1/\2.commit|")
  sed "s/Flotilla Lab OS $version/Fl0tilla Lab OS $version/" "$object" >"$object.new"
  mv "$object.new" "$object"
done
