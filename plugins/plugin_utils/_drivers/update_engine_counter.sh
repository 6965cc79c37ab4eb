# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Boot counting by the GPT, as GRUB's gptprio does it: of the bootable slots (successful, or with tries left) the one
# with the highest priority is booted, and loses a try unless it is successful. The OS's own engine, where it runs, marks
# the running slot successful 45 s after its start.

counter_present() { command -v cgpt >/dev/null && running_slot >/dev/null; }

armed_slot() { # the slot that the guard is armed for
  here=$(running_slot) || return 1
  case $(get armed target) in USR-A.*) echo "${here%?}3" ;; USR-B.*) echo "${here%?}4" ;; *) return 1 ;; esac
}

# A slot is staged closed: behind the one that runs. Here it becomes the next boot.
counter_set() { # counter_set TRIES
  slot=$(armed_slot) || return 1
  if [ "$1" = 0 ]; then
    cgpt add -S 0 -T 0 "$slot"
  else
    # There must be something to go back to.
    bootable "$(other_slot "$slot")" && cgpt add -S 0 -T "$1" "$slot" && cgpt prioritize "$slot" &&
      [ "$(next_slot)" = "$slot" ]
  fi
}

# What runs and comes first is marked good, and another that never was is closed. Where another slot comes first, this
# host is on its way there, and what comes first is not counted, or is to be.
counter_clear() {
  first=$(first_slot) && here=$(running_slot) && there=$(other_slot "$here") || return 1
  if [ "$first" = "$here" ]; then
    cgpt add -S 1 -T 0 "$here" && [ "$(slot_attribute "$here" S)" = 1 ] || return 1
    [ "$(slot_attribute "$there" S)" = 1 ] || cgpt add -T 0 "$there"
  else
    bootable "$first"
  fi
}

counter_spent() { slot=$(armed_slot) && ! bootable "$slot"; }
