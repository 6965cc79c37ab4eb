# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A board with U-Boot and two slots for the root file system, as RAUC's manual integrates it: U-Boot's variables as in
# contrib/uboot.sh of rauc/rauc 3991031, the slots of the recorded system.conf. A slot is a folder with an /etc of its own;
# the slots share a partition with /var and /etc/systemd/system. What is in none of them is lost with the slot.
board=$disk/simhost

disk_new() {
  mkdir -p "$board/slots/A" "$board/slots/B" "$disk/data/var/lib/flotilla/rauc" "$disk/data/var/lib/rauc" \
    "$disk/data/systemd/multi-user.target.wants"
  cp -R "$family/root/." "$board/slots/A"
  . "$family/slots.sh"
  os_release 2026.10-1 >"$board/slots/A/etc/os-release"
  echo good >"$board/slots/A.quality"
  printf 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n' >"$board/environment"
  printf '[slot.rootfs.0]\nactivated.timestamp=2026-11-23T04:09:23Z\nactivated.count=2\n' >"$disk/data/var/lib/rauc/central.raucs"
  # What update_channel has written.
  printf 'name=stable\nsource=https://updates.example.org/board\n' >"$disk/data/var/lib/flotilla/rauc/channel"
  for unit in rauc rauc-hawkbit-updater; do
    ln -s "/usr/lib/systemd/system/$unit.service" "$disk/data/systemd/multi-user.target.wants/"
  done
  cp "$family/server.txt" "$sim/server.txt"
}

variable() { sed -n "s/^$1=//p" "$board/environment"; }

# contrib/uboot.sh: the first slot of the order that has attempts left loses one, and boots.
disk_boot() {
  for name in $(variable BOOT_ORDER); do
    left=$((0x$(variable "BOOT_${name}_LEFT")))
    [ $left -gt 0 ] || continue
    sed -i "s/^BOOT_${name}_LEFT=.*/BOOT_${name}_LEFT=$(printf %x $((left - 1)))/" "$board/environment"
    case $name in A) partition=2 ;; *) partition=3 ;; esac
    root=$board/slots/$name
    cmdline="console=ttyS0,115200 root=/dev/mmcblk0p$partition rauc.slot=$name panic=5 quiet"
    booting="slot $name"
    [ "$(cat "$root.quality")" != never-up ]
    return
  done
  booting="No valid slot found, resetting tries to 3"
  sed -i 's/^BOOT_\([AB]\)_LEFT=.*/BOOT_\1_LEFT=3/' "$board/environment"
  return 1
}

disk_mount() {
  bind "$disk/data/var" var
  bind "$disk/data/systemd" etc/systemd/system
  bind "$board" simhost
}
