# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of update_engine's hosts. /usr has two slots, USR-A on partition 3 and USR-B on partition 4
# of one disk; the engine itself tells them apart by that digit. A slot is called by its label and the root hash of the
# /usr in it, which GRUB reads out of the slot's kernel and hands to the initramfs: what is overwritten has another name.

running_slot() { # its device: /dev/sda3
  device=$(rootdev -s /usr 2>/dev/null) || return 1
  case $device in /dev/*[34]) echo "$device" ;; *) return 1 ;; esac
}

other_slot() { # other_slot DEVICE
  case $1 in *3) echo "${1%3}4" ;; *4) echo "${1%4}3" ;; *) return 1 ;; esac
}

slot_label() { # slot_label DEVICE
  case $1 in *3) echo USR-A ;; *4) echo USR-B ;; *) return 1 ;; esac
}

slot_kernel() { # slot_kernel DEVICE: machines that came from CoreOS keep their kernels where that had them
  folder=/boot/flatcar
  if [ -e /boot/coreos/vmlinuz-a ] || [ -e /boot/coreos/vmlinuz-b ]; then folder=/boot/coreos; fi
  case $1 in *3) echo "$folder/vmlinuz-a" ;; *4) echo "$folder/vmlinuz-b" ;; *) return 1 ;; esac
}

slot_hash() { # slot_hash DEVICE: 64 digits at byte 64 of a kernel for x86, at byte 512 of one for ARM
  kernel=$(slot_kernel "$1") || return 1
  for block in 1 8; do
    hash=$(dd if="$kernel" bs=64 skip="$block" count=1 2>/dev/null | tr -cd 0-9a-f)
    [ "${#hash}" != 64 ] || { echo "$hash"; return 0; }
  done
  return 1
}

slot_id() { # slot_id DEVICE
  hash=$(slot_hash "$1") && echo "$(slot_label "$1").$hash"
}

running_hash() {
  hash=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^verity\.usrhash=\([0-9a-f]\{64\}\)$/\1/p' | tail -n 1)
  [ -n "$hash" ] && echo "$hash"
}

booted_id() {
  device=$(running_slot) && hash=$(running_hash) && echo "$(slot_label "$device").$hash"
}

slot_attribute() { # slot_attribute DEVICE P|T|S: its priority, tries left, or whether it was successful
  # The kernel's way to call partitions: sda3 of sda, nvme0n1p3 of nvme0n1.
  case $1 in *[0-9]p[34]) disk=${1%p?} ;; *) disk=${1%?} ;; esac
  cgpt show -i "${1#"${1%?}"}" "-$2" "$disk" 2>/dev/null
}

bootable() { # bootable DEVICE
  [ "$(slot_attribute "$1" S)" = 1 ] || [ "$(slot_attribute "$1" T)" -gt 0 ] 2>/dev/null
}

first_slot() { # the one with the highest priority, bootable or not; of two that are equal, partition 3
  here=$(running_slot) && there=$(other_slot "$here") || return 1
  mine=$(slot_attribute "$here" P) && others=$(slot_attribute "$there" P) || return 1
  if [ "$mine" -gt "$others" ]; then
    echo "$here"
  elif [ "$others" -gt "$mine" ]; then
    echo "$there"
  else
    echo "${here%?}3"
  fi
}

next_slot() { # the one that the boot loader takes
  first=$(first_slot) || return 1
  bootable "$first" || first=$(other_slot "$first")
  bootable "$first" && echo "$first"
}

make_default() { # make_default ID
  here=$(running_slot) && there=$(other_slot "$here") || return 1
  if [ "$1" = "$(booted_id)" ]; then
    wanted=$here
  elif [ "$1" = "$(slot_id "$there")" ]; then
    wanted=$there
    # At the start of an update, or 45 s after its own, the engine puts the running slot first again.
    systemctl stop update-engine.service 2>/dev/null
    # What runs and was never marked good is left for good: no boot comes back to it.
    [ "$(slot_attribute "$here" S)" = 1 ] || cgpt add -T 0 "$here" || return 1
  else
    return 1
  fi
  bootable "$wanted" && cgpt prioritize "$wanted" && [ "$(next_slot)" = "$wanted" ]
}
