# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Flatcar machine of 2026: two slots for /usr, GRUB with gptprio. The partition table is as the recording
# show_fresh_install.stdout in tests/unit/fixtures/update_engine has it; what is in a slot, and its kernel, whose bytes 64
# to 127 are the root hash of /usr, follow flatcar/scripts build_library/grub.cfg and coreos/grub verity-hash.h.
gpt=$disk/simhost/gpt
first_hash=6a1f3ac1c7bb0e2d6bd2f3a0a3c0df5f4a3f5bb1a3fb8c5d1c0d3d1b2e8f9a01

disk_new() {
  mkdir -p "$disk/simhost/slots" "$disk/boot/flatcar" "$disk/var/lib/update_engine/prefs"
  cp -R "$family/root/." "$disk"
  ln -s ../usr/lib/os-release "$disk/etc/os-release"
  # (Flatcar's own links stand in /usr.)
  mkdir -p "$disk/etc/systemd/system/multi-user.target.wants"
  for unit in update-engine locksmithd; do
    ln -s "/usr/lib/systemd/system/$unit.service" "$disk/etc/systemd/system/multi-user.target.wants/"
  done
  printf '3 USR-A 1 0 1\n4 USR-B 0 0 0\n' >"$gpt"
  printf 'version=4593.2.0\nhash=%s\nquality=good\n' $first_hash >"$disk/simhost/slots/3"
  { head -c 64 /dev/zero; printf '%s' $first_hash; head -c 900 /dev/zero; } >"$disk/boot/flatcar/vmlinuz-a"
  printf '4593.2.0' >"$disk/var/lib/update_engine/prefs/aleph-version"
  echo 9f3a5f0c6b8d4e21a7c4d2e8b1f60a53 >"$disk/etc/machine-id"
  cp "$family/server.txt" "$sim/server.txt"
}

# gptprio.next: the bootable partition with the highest priority loses a try, unless it was successful.
disk_boot() {
  line=$(awk '$4 > 0 || $5 == 1' "$gpt" | sort -k 3,3nr -k 1,1n | head -n 1)
  [ -n "$line" ] || { booting="GRUB: Reading or updating the GPT failed"; return 1; }
  # shellcheck disable=SC2086
  set -- $line
  [ "$5" = 1 ] || sed -i "s/^$1 .*/$1 $2 $3 $(($4 - 1)) $5/" "$gpt"
  case $1 in 3) slot=a ;; *) slot=b ;; esac
  known=$disk/simhost/slots/$1
  booting=$(sed -n 's/^version=//p' "$known")
  cmdline="BOOT_IMAGE=/flatcar/vmlinuz-$slot mount.usr=/dev/mapper/usr verity.usr=PARTLABEL=$2 rootflags=rw mount.usrflags=ro root=LABEL=ROOT consoleblank=0 verity.usrhash=$(sed -n 's/^hash=//p' "$known")"
  [ "$(sed -n 's/^quality=//p' "$known")" != never-up ]
}
