#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# base.sh: $LAB_WORK/tree -> version 1 in $LAB_WORK/repo
set -eu
: "${LAB_WORK:?}"
rm -rf "$LAB_WORK/repo"
ostree --repo="$LAB_WORK/repo" init --mode=archive
ostree --repo="$LAB_WORK/repo" config set archive.zlib-level 1
"$LAB_FILES/build/commit.sh" "$LAB_WORK/tree" lab/x86_64/stable 1 lab
ostree --repo="$LAB_WORK/repo" refs --create=lab/x86_64/v1 lab/x86_64/stable
ostree --repo="$LAB_WORK/repo" summary --update
