#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# forget.sh: remove what a killed build left in memory
set -eu
: "${LAB_CACHE:?}"
memory=/dev/shm/flotilla-lab.$(id -u).$(realpath -m "$LAB_CACHE" | sha256sum | cut -c1-12)
if [ -d "$memory" ] && [ ! -L "$memory" ] && [ "$(stat -c %u "$memory")" = "$(id -u)" ]; then
  rm -rf --one-file-system "$memory"
  echo "done"
fi
