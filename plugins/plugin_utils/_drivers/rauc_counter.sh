# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Boot counting by the boot loader of a RAUC host, in the conventions of RAUC's manual: GRUB grants a slot one boot until
# it is marked good (A_OK, A_TRY), U-Boot as many as BOOT_A_LEFT says. The OS's own unit may mark what came up as good:
# from then on its boots are counted no more, and the guard's deadline still is.

counter_present() { boot_order >/dev/null; }

armed_slot() { # the slot that the guard is armed for
  armed=$(get armed target) && [ -n "$armed" ] && echo "${armed%%.*}"
}

counter_set() { # counter_set TRIES
  slot=$(armed_slot) || return 1
  if [ "$1" = 0 ]; then
    mark bad "$slot"
    return
  fi
  reason=$(unfit)
  [ -z "$reason" ] || { echo "$reason" >&2; return 1; }
  here=$(running_slot) || return 1
  # There must be something to go back to: what runs, whether somebody marked it good after its boot or not.
  mark good "$here" && bootable "$here" && activate "$slot" || return 1
  [ "$(loader)" != uboot ] || { set_variables "BOOT_${slot}_LEFT=$(printf %x "$1")" && [ "$(next_slot)" = "$slot" ]; }
}

# What runs and comes first is marked good, and what this host fell back from is closed. Where another slot comes first,
# this host is on its way there.
counter_clear() {
  here=$(running_slot) && first=$(first_slot) || return 1
  if [ "$first" != "$here" ]; then
    bootable "$first"
    return
  fi
  mark good "$here" && bootable "$here" || return 1
  left=$(get fallback target)
  if [ -n "$left" ] && [ "$left" = "$(slot_id "${left%%.*}")" ] && [ "${left%%.*}" != "$here" ]; then
    mark bad "${left%%.*}" || return 1
  fi
  case $(cat "$STAGED" 2>/dev/null) in "$left" | "$(booted_id)") rm -f "$STAGED" ;; esac
}

counter_spent() { slot=$(armed_slot) && ! bootable "$slot"; }
