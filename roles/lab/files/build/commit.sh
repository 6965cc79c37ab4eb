#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# commit.sh TREE REF VERSION SIGNER [ostree commit options]: commit to the repository of the lab.
# SIGNER is "lab", "stranger" or "-" for none.
set -eu
exec 9>&- # gpgme leaves an agent behind, which must not keep the lock
tree=$1 ref=$2 version=$3 signer=$4
shift 4
if [ "$signer" != - ]; then
  # gpgme starts an agent in this directory: a short path, gone afterwards.
  home=$(mktemp -d /tmp/lab-gpg.XXXXXX)
  trap 'GNUPGHOME=$home gpgconf --kill all; rm -rf "$home"' EXIT
  cp -a "$LAB_WORK/keys/$signer/." "$home/"
  set -- "$@" --gpg-sign="$(cat "$LAB_WORK/keys/$signer.id")" --gpg-homedir="$home"
fi
eatmydata ostree --repo="$LAB_WORK/repo" commit --branch="$ref" --subject="Flotilla Lab OS $version" \
  --add-metadata-string=version="$version" --bootable --tree=dir="$tree" "$@"
# Clients follow the summary: a stale one hides the new commit.
ostree --repo="$LAB_WORK/repo" summary --update
