# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A machine with an image of systemd's own: UEFI, systemd-boot, UKIs that systemd-sysupdate puts side by side, with boot
# counting. EFI variables stay over a power cut; those that systemd-boot sets for one boot are made anew.
BOOT=$disk/boot VARIABLES=$machine/sys/firmware/efi/efivars
. "$family/loader.sh"

disk_new() {
  mkdir -p "$VARIABLES" "$BOOT/EFI/Linux" "$disk/var/lib/images" "$disk/simhost" "$disk/etc/systemd/system/timers.target.wants"
  ln -s ../usr/lib/os-release "$disk/etc/os-release"
  for timer in systemd-sysupdate systemd-sysupdate-reboot; do
    ln -s "/usr/lib/systemd/system/$timer.timer" "$disk/etc/systemd/system/timers.target.wants/"
  done
  # (The link of its generator stands in /run.)
  mkdir "$disk/etc/systemd/system/multi-user.target.wants"
  ln -s /usr/lib/systemd/system/systemd-bless-boot.service "$disk/etc/systemd/system/multi-user.target.wants/"
  printf 'version=1.0\nquality=good\n' >"$BOOT/EFI/Linux/uki_1.0.efi"
  echo 'app 1.0' >"$disk/var/lib/images/app_1.0.img"
  cp "$family/server.txt" "$sim/server.txt"
}

disk_boot() {
  id=$(choose)
  file=$(file_of "$id")
  [ -n "$file" ] || { booting="systemd-boot: no entry"; return 1; }
  [ "$id" != "$(variable LoaderEntryOneShot)" ] || set_variable LoaderEntryOneShot ''
  set_variable LoaderBootCountPath ''
  # shellcheck disable=SC2046
  set -- $(tries "$file")
  if [ $# = 2 ]; then
    left=$1
    [ "$left" = 0 ] || left=$((left - 1))
    fresh=${id%.efi}+$left-$(($2 + 1)).efi
    mv "$BOOT/EFI/Linux/$file" "$BOOT/EFI/Linux/$fresh"
    file=$fresh
    set_variable LoaderBootCountPath "\\EFI\\Linux\\$file"
  fi
  set_variable LoaderInfo "systemd-boot 257.13-1~deb13u1"
  set_variable LoaderEntrySelected "$id"
  booting=$(sed -n 's/^version=//p' "$BOOT/EFI/Linux/$file")
  echo "$booting" >"$disk/simhost/booting"
  cmdline="root=LABEL=root rw quiet"
  [ "$(sed -n 's/^quality=//p' "$BOOT/EFI/Linux/$file")" != never-up ]
}
