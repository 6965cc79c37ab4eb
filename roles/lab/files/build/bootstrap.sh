#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# bootstrap.sh: Debian packages -> $LAB_WORK/root
set -eu
: "${LAB_WORK:?}" "${LAB_CACHE:?}" "${LAB_SUITE:?}" "${LAB_PACKAGES:?}"
root=$LAB_WORK/root
rm -rf --one-file-system "$root"
mkdir -p "$LAB_CACHE/debs"
"$LAB_FILES/build/sources.sh" >"$LAB_WORK/sources.list"

set --
for path in '/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*' '/usr/lib/cni/*' \
  '/usr/share/bash-completion/*' '/etc/kernel/postinst.d/initramfs-tools'; do
  set -- "$@" --dpkgopt="path-exclude=$path"
done
# shellcheck disable=SC2016  # "$1" is for mmdebstrap's hook
eatmydata mmdebstrap --variant=minbase --include="$(echo "$LAB_PACKAGES" | tr ' ' ',')" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
  "$@" --dpkgopt=force-unsafe-io \
  --skip=download/empty --skip=essential/unlink \
  --setup-hook='mkdir -p "$1"/var/cache/apt/archives' \
  --setup-hook="sync-in '$LAB_CACHE/debs' /var/cache/apt/archives" \
  --customize-hook="sync-out /var/cache/apt/archives '$LAB_CACHE/debs'" \
  "$LAB_SUITE" "$root" "$LAB_WORK/sources.list" >"$LAB_WORK/bootstrap.log" 2>&1 || {
  tail -n 30 "$LAB_WORK/bootstrap.log" >&2
  exit 1
}
