# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The partition sets of the simulated host: lines of SET PRIORITY TRIES SUCCESSFUL, and what is in each.
STATE=/.bottlerocket/rootfs/simhost

active() { cat "$STATE/active"; }

inactive() { if [ "$(active)" = A ]; then echo B; else echo A; fi; }

flag() { sed -n "s/^$1 //p" "$STATE/flags" | cut -d ' ' -f "$2"; } # flag SET NUMBER

flags_set() { # flags_set SET PRIORITY TRIES SUCCESSFUL
  sed "s/^$1 .*/$*/" "$STATE/flags" >"$STATE/flags.new"
  mv -f "$STATE/flags.new" "$STATE/flags"
}

will_boot() { [ "$(flag "$1" 1)" -gt 0 ] && { [ "$(flag "$1" 2)" -gt 0 ] || [ "$(flag "$1" 3)" = true ]; }; }

next() {
  if will_boot A && { ! will_boot B || [ "$(flag A 1)" -ge "$(flag B 1)" ]; }; then echo "Set A"
  elif will_boot B; then echo "Set B"
  else echo None; fi
}
