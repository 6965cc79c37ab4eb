# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Snaps without assertions. Their revisions (x1, x2...) are counted by each host for itself and name no content: what they
# are is told by the SHA-256 of their files. Part of every observation, and short for that; after snapd_boot.sh.

members() { # the names of the snaps that are the OS
  if classic; then
    cat "$NAMED"
    return
  fi
  echo snapd
  for key in base current_kernels gadget; do modeenv $key | sed 's/_.*//'; done
}

local_sums() { # as sha256sum prints them
  for name in $(members); do
    for file in "$SNAPS/$name"_x*.snap; do [ ! -f "$file" ] || sha256sum "$file"; done
  done
}
