#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# key.sh: the name of the image that this definition makes: a digest over every file that
# goes into it or builds it, and over the settings that are baked in.
set -eu
: "${LAB_FILES:?}"
cd "$LAB_FILES"
{
  printf '%s\n' "$LAB_SUITE" "$LAB_PORT" "$LAB_PACKAGES"
  find build grub initramfs overlay versions.tsv -type f ! -name '*.pyc' -printf '%p %m\n' | LC_ALL=C sort
  find build grub initramfs overlay versions.tsv -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
} | sha256sum | cut -c1-12
