# shellcheck shell=sh disable=SC2034 # the parts that come after it use what is set here
# SPDX-License-Identifier: GPL-3.0-or-later
# What boots, as far as every observation needs it: short, because it is sent to each host.
LC_ALL=C
export LC_ALL
MODEENV=${SNAPD_ROOT:-}/var/lib/snapd/modeenv
SNAPS=${SNAPD_ROOT:-}/var/lib/snapd/snaps
# On a classic system, where the OS is none of snaps: those that are to be treated as one, a name a line.
NAMED=${SNAPD_ROOT:-}/etc/flotilla/snaps

modeenv() { sed -n "s/^$1=//p" "$MODEENV" 2>/dev/null | head -n 1; }

classic() { [ ! -f "$MODEENV" ]; }

kernel_status() { # GRUB's is a file, which can be read as early as there is a /boot
  ! classic || return 0
  for env in "${SNAPD_ROOT:-}/boot/grub/grubenv" "${SNAPD_ROOT:-}/run/mnt/ubuntu-boot/EFI/ubuntu/grubenv"; do
    [ -f "$env" ] || continue
    sed -n 's/^kernel_status=//p' "$env" | head -n 1
    return 0
  done
  vars=$(snap debug boot-vars 2>/dev/null) || return 1
  printf '%s\n' "$vars" | sed -n 's/^kernel_status=//p'
}

patiently() { # patiently SECONDS COMMAND...: until it succeeds
  left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 1
  done
}

# snapd writes the boot loader's part and the modeenv one after the other. Two kernels, of which neither is to be tried or
# being tried: it is in the middle of that, or has not come up yet after a kernel that failed.
unambiguous() {
  status=$(kernel_status) || return 1
  case $status$(modeenv current_kernels) in *,*) [ -n "$status" ] ;; esac
}
