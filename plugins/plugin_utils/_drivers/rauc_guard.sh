# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of RAUC's hosts. A slot that can be booted has a bootname (A, B); a deployment is called by it
# and by what is in the slot: what is overwritten has another name. Early in a boot RAUC's service is not there, so all
# of this is read from files: the kernel's command line, system.conf, RAUC's central status file, and the boot loader's
# variables (RAUC src/context.c, src/config_file.c, src/slot_status.c, src/bootloaders/{grub,uboot}.c).
FACTORY=/var/lib/flotilla/rauc/factory
# Also for the other parts of this script.
# shellcheck disable=SC2034
STAGED=/var/lib/flotilla/rauc/staged
MOUNTS=/proc/self/mountinfo

rauc_conf() { # the first one counts, as for RAUC
  for file in /etc/rauc/system.conf /run/rauc/system.conf /usr/lib/rauc/system.conf; do
    [ ! -f "$file" ] || { echo "$file"; return 0; }
  done
  return 1
}

ini() { # ini FILE SECTION KEY
  sed -n "/^\[$2\][[:space:]]*\$/,/^\[/ s/^$3[[:space:]]*=[[:space:]]*//p" "$1" 2>/dev/null | head -n 1
}

setting() { ini "$(rauc_conf)" system "$1"; }

boot_slots() { # those that can be booted, one a line: BOOTNAME SLOT DEVICE
  conf=$(rauc_conf) || return 1
  sed -n 's/^\[slot\.\([^]]*\)\].*/\1/p' "$conf" | while read -r slot; do
    bootname=$(ini "$conf" "slot.$slot" bootname)
    [ -z "$bootname" ] || echo "$bootname $slot $(readlink -f "$(ini "$conf" "slot.$slot" device)")"
  done
}

slot_of() { # slot_of BOOTNAME: rootfs.0
  boot_slots | while read -r bootname slot _device; do [ "$bootname" != "$1" ] || echo "$slot"; done | grep .
}

argument() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | head -n 1; } # argument KEY: of the kernel

running_slot() { # its bootname: what the boot loader says, or whose device is the root
  case " $(cat /proc/cmdline) " in *" rauc.external"*) return 1 ;; esac
  said=$(argument 'rauc\.slot')
  if [ -n "$said" ]; then
    slot_of "$said" >/dev/null && echo "$said"
    return
  fi
  root=$(argument root)
  case $root in
    PARTUUID=* | PARTLABEL=* | UUID=* | LABEL=*)
      root=/dev/disk/by-$(echo "${root%%=*}" | tr '[:upper:]' '[:lower:]')/${root#*=}
      ;;
  esac
  root=$(readlink -f "$root") || return 1
  boot_slots | while read -r bootname _slot device; do [ "$device" != "$root" ] || echo "$bootname"; done | grep .
}

os_release() { cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null; }

status_file() { # the central one; where a slot keeps its status inside, nothing can be told of the other one
  file=$(setting statusfile) folder=$(setting data-directory)
  [ -n "$file" ] || [ -z "$folder" ] || file=$folder/central.raucs
  case $file in /*) echo "$file" ;; *) return 1 ;; esac
}

# What is in a slot: the hash of the bundle's manifest; before RAUC 1.11, and for what it has written, of the image.
# A slot that RAUC has not written yet: what runs has the hash of its os-release, the other one that of when it ran.
slot_digest() { # slot_digest BOOTNAME
  file=$(status_file) slot=$(slot_of "$1") || return 1
  digest=$(ini "$file" "slot.$slot" 'bundle\.hash')
  [ -n "$digest" ] || digest=$(ini "$file" "slot.$slot" sha256)
  if [ -n "$digest" ]; then
    [ "$(ini "$file" "slot.$slot" status)" = ok ] || return 1
  elif [ "$1" = "$(running_slot)" ]; then
    digest=$(os_release | sha256sum | cut -d ' ' -f 1)
  else
    digest=$(sed -n "s/^$1 \([0-9a-f]*\) .*/\1/p" "$FACTORY" 2>/dev/null | head -n 1)
  fi
  [ -n "$digest" ] && echo "$digest"
}

slot_id() { # slot_id BOOTNAME
  digest=$(slot_digest "$1") && echo "$1.$digest"
}

booted_id() {
  name=$(running_slot) && slot_id "$name"
}

loader() { setting bootloader; }

environment_block() { file=$(setting grubenv); echo "${file:-/boot/grub/grubenv}"; }

variable() { # variable NAME: of the boot loader
  case $(loader) in
    grub) sed -n "s/^$1=//p" "$(environment_block)" 2>/dev/null | head -n 1 | grep . ;;
    uboot) fw_printenv "$1" 2>/dev/null | sed -n "s/^$1=//p" | grep . ;;
    *) return 1 ;;
  esac
}

# GRUB's block of 1024 bytes is overwritten in place, as GRUB itself does it: GRUB finds it by its place on the disk.
set_variables() { # set_variables NAME=VALUE...: the other ones stay
  if [ "$(loader)" = uboot ]; then
    for pair; do fw_setenv "${pair%%=*}" "${pair#*=}" || return 1; done
    return 0
  fi
  block=$(
    printf '# GRUB Environment Block\n'
    printf '%s\n' "$@"
    ours=" $* "
    grep '^[^#].*=' "$(environment_block)" | while IFS= read -r line; do
      case $ours in *" ${line%%=*}="*) ;; *) printf '%s\n' "$line" ;; esac
    done
  )
  [ "${#block}" -lt 1023 ] || return 1
  block=$(printf '%s\n' "$block"; head -c $((1023 - ${#block})) /dev/zero | tr '\0' '#')
  [ "${#block}" = 1024 ] && printf '%s' "$block" | dd of="$(environment_block)" bs=1024 count=1 conv=notrunc,fsync 2>/dev/null
}

boot_order() { case $(loader) in grub) variable ORDER ;; *) variable BOOT_ORDER ;; esac; }

order_with_first() { # order_with_first BOOTNAME
  printf '%s' "$1"
  for name in $(boot_order); do [ "$name" = "$1" ] || printf ' %s' "$name"; done
}

tries_left() { # tries_left BOOTNAME: boots that the boot loader still grants it
  case $(loader) in
    grub) if [ "$(variable "$1_OK")" = 1 ] && [ "$(variable "$1_TRY")" = 0 ]; then echo 1; else echo 0; fi ;;
    *) left=$(variable "BOOT_$1_LEFT"); case $left in '' | *[!0-9a-fA-F]*) echo 0 ;; *) echo $((0x$left)) ;; esac ;;
  esac
}

bootable() { # bootable BOOTNAME
  case " $(boot_order) " in *" $1 "*) [ "$(tries_left "$1")" -gt 0 ] ;; *) return 1 ;; esac
}

# What runs has lost a try by that, which it gets back when it is marked good: it counts as bootable as long as it runs.
first_slot() { boot_order | cut -d ' ' -f 1 | grep .; }

next_slot() { # the one that the boot loader takes
  for name in $(boot_order); do ! bootable "$name" || { echo "$name"; return 0; }; done
  return 1
}

# By RAUC, which writes it into its own records too; where its service does not answer, as RAUC writes the variables.
mark() { # mark active|good|bad BOOTNAME
  timeout 20 rauc status "mark-$1" "$(slot_of "$2")" >/dev/null 2>&1 && return
  case $(loader).$1 in
    grub.active) set_variables "$2_OK=1" "$2_TRY=0" "ORDER=$(order_with_first "$2")" ;;
    grub.good) set_variables "$2_OK=1" "$2_TRY=0" ;;
    grub.bad) set_variables "$2_OK=0" "$2_TRY=0" ;;
    uboot.active) set_variables "BOOT_$2_LEFT=3" "BOOT_ORDER=$(order_with_first "$2")" ;;
    uboot.good) set_variables "BOOT_$2_LEFT=3" ;;
    uboot.bad) set_variables "BOOT_$2_LEFT=0" ;;
    *) return 1 ;;
  esac
}

activate() { # activate BOOTNAME: it is the next boot
  mark active "$1" && [ "$(next_slot)" = "$1" ]
}

make_default() { # make_default ID
  [ "$1" = "$(slot_id "${1%%.*}")" ] && activate "${1%%.*}"
}

mount_of() { # mount_of PATH: "MOUNT-POINT TYPE SOURCE" of what holds it
  held=$(readlink -f "$1")/ best='' kind=''
  while read -r _id _parent _device _root point rest; do
    top=${point%/} # inside of the pattern bash does not match it where nothing is left
    case $held in
      "$top"/*) [ "${#point}" -lt "${#best}" ] || { best=$point kind=${rest##* - }; } ;;
    esac
  done <"$MOUNTS"
  echo "$best ${kind% *}"
}

# Why nobody could watch over the other slot once it runs; nothing if somebody can.
unfit() {
  case $(loader) in
    grub | uboot) ;;
    *) echo "RAUC's bootloader=$(loader) is none whose variables are known here (grub, uboot)"; return ;;
  esac
  running_slot >/dev/null || { echo "which slot runs stands neither in rauc.slot= nor in root= of the kernel command line"; return; }
  boot_order >/dev/null || { echo "the variables of the boot loader ($(loader)) cannot be read"; return; }
  file=$(status_file) || { echo "RAUC keeps what it knows of a slot inside the slot; set data-directory in system.conf"; return; }
  devices=$(sed -n 's/^device[[:space:]]*=[[:space:]]*//p' "$(rauc_conf)" | while read -r device; do readlink -f "$device"; done)
  for path in /etc/systemd/system /var/lib "${file%/*}"; do
    read -r point type source <<PLACE
$(mount_of "$path")
PLACE
    case $type:$point in
      tmpfs:* | ramfs:*) echo "$path is in memory, and what is written there is lost with the reboot"; return ;;
      overlay:*) own='' ;; # its upper layer is elsewhere than the slot, or nothing could be written
      *:/) own=$point ;;
      *) own=$(echo "$devices" | grep -xF "$(readlink -f "$source")") ;;
    esac
    if [ -n "$own" ]; then
      echo "$path belongs to the slot that runs: the guard would not be in the other one; keep it on a partition that the slots share"
      return
    fi
    [ "$path" = /etc/systemd/system ] || continue
    # systemd reads its units before it mounts anything: a mount of its own comes too late for those of the guard.
    if [ -n "$(systemctl show --property=FragmentPath --value "$point" 2>/dev/null)" ] &&
      ! grep -q "[[:space:]]${point}[[:space:]].*x-initrd\.mount" /etc/fstab 2>/dev/null; then
      echo "$path is mounted by systemd, which has read its units by then, and not by the initramfs: the guard would not start"
      return
    fi
  done
}

seen() { # for deployment_info: what RAUC itself does not say
  printf 'running=%s\nfirst=%s\nstaged=%s\nversion=%s\n' "$(running_slot)" "$(first_slot)" "$(cat "$STAGED" 2>/dev/null)" \
    "$(os_release | sed -n 's/^VERSION_ID=//p' | head -n 1 | tr -d "\"'")"
  for name in $(boot_slots | cut -d ' ' -f 1); do echo "slot=$name $(slot_digest "$name")"; done
  [ ! -f "$FACTORY" ] || sed 's/^/factory=/' "$FACTORY"
}
