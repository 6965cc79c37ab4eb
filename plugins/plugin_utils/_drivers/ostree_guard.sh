# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of OSTree (`ostree admin status`: the running deployment has a star; order = boot order).

# Signatures are left out where that can be asked for (-S, 2019): they cost most of the time, here at every boot.
deployment_ids() {
  { ostree admin status -S 2>/dev/null || ostree admin status 2>/dev/null; } |
    sed -n 's/^\([* ]\)[^0-9a-z]*[^ ]* \([0-9a-f]\{64\}\.[0-9]*\).*/\1\2/p'
}

# By the root directory itself where that is possible: milliseconds, at every boot.
booted_id() {
  root=$(stat -c %d:%i / 2>/dev/null)
  for dir in /ostree/deploy/*/deploy/*.[0-9]*; do
    if [ -d "$dir" ] && [ -n "$root" ] && [ "$(stat -c %d:%i "$dir")" = "$root" ]; then
      echo "${dir##*/}"
      return 0
    fi
  done
  deployment_ids | sed -n 's/^\*//p'
}

make_default() { # make_default ID
  index=$(deployment_ids | sed 's/^.//' | grep -nxF "$1" | cut -d : -f 1)
  [ -n "$index" ] || return 1
  [ "$index" = 1 ] || ostree admin set-default "$((index - 1))" >/dev/null || return 1
  [ "$(deployment_ids | sed -n '1s/^.//p')" = "$1" ]
}
