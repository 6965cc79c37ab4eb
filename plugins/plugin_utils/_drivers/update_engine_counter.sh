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

counter_set() { slot=$(armed_slot) && cgpt add -S 0 -T "$1" "$slot"; }

# What runs and comes first is marked good. Where another slot comes first, that one is not counted, or is to be.
counter_clear() {
  first=$(first_slot) || return 1
  if [ "$first" = "$(running_slot)" ]; then
    cgpt add -S 1 -T 0 "$first" && [ "$(slot_attribute "$first" S)" = 1 ]
  else
    bootable "$first"
  fi
}

counter_spent() { slot=$(armed_slot) && ! bootable "$slot"; }
