# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Automatic boot assessment: systemd-boot counts in the names of the entries' files, and takes one whose tries are used up
# last. The OS itself (systemd-bless-boot.service) ends the counting when boot-complete.target is reached.

# It is asked before the guard is armed, of what is staged then: an entry that does not run and has tries left.
counter_present() {
  here=$(booted_id) && boot_files | while IFS= read -r file; do
    case $(tries_left "$file") in "" | 0) continue ;; esac
    [ "$(entry_id "$file")" = "$here" ] || echo "$file"
  done | grep -q .
}

# What makes it the next boot is `release` in sysupdate_stage.sh.
counter_set() { # counter_set TRIES
  target=$(get armed target)
  recount "$target" "$1" || return 1
  [ "$1" != 0 ] || { bootctl set-oneshot '' && [ "$(next_id)" != "$target" ]; }
}

# What runs and comes next is good, and the target that was tried and does not run is bad. Where another one comes next,
# this host is on its way there, and leaves a target that was on trial as a bad one.
counter_clear() {
  here=$(booted_id) && target=$(get armed target) || return 1
  if [ -e "$SYSUPDATE_STATE/oneshot" ] && [ "$here" = "$target" ]; then
    make_default "$here" || return 1 # it was booted for one time, over a newer version, and has stood the test
  fi
  next=$(next_id) || return 1
  if [ "$next" != "$here" ]; then
    [ "$here" != "$target" ] || recount "$target" 0
    return
  fi
  recount "$here" good || return 1
  if [ -n "$target" ] && [ "$target" != "$here" ] && entry_file "$target" >/dev/null &&
    [ "$(cat "$BOOT_ID")" != "$(get armed boot_id_before)" ]; then
    recount "$target" 0 || return 1
    settle "$here" || return 1
  fi
  [ "$target" != "$here" ] || settle "$here"
}

# Booted for one time, it was tried if a boot was counted.
counter_spent() {
  file=$(entry_file "$(get armed target)") || return 1
  [ "$(tries_left "$file")" != 0 ] || return 0
  [ -e "$SYSUPDATE_STATE/oneshot" ] || return 1
  case $file in *+*-0.*) return 1 ;; esac
}
