# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A MicroOS machine of 2026 with GRUB: transactional-update 6.1, and snapper; /etc is a part of the snapshot. Layout:
# transactional-update(8), openSUSE/transactional-update; what the initramfs does: its dracut/sync-etc-state.cpp. (A real
# root is read-only; here nothing stops who writes to it.)
state=$disk/simhost

disk_new() {
  # shellcheck disable=SC2046
  set -- $(sed -n 's/^factory //p' "$family/server.txt")
  new=$disk/.snapshots/1/snapshot
  mkdir -p "$state" "$disk/var/lib/misc" "$new/usr/lib/sysimage/rpm"
  cp -R "$family/root/." "$new"
  sed "s/@version@/$1/" "$family/os-release" >"$new/usr/lib/os-release"
  cp "$new/usr/lib/os-release" "$new/etc/os-release"
  sed '/^#/d; s/$/ 1795132800/' "$family/repositories/$1" >"$new/usr/lib/sysimage/rpm/Packages.db"
  ln -s "$2.prod" "$new/etc/products.d/baseproduct"
  . "$family/snapshots.sh"
  info 1 "2026-11-20 09:12:44" "first root filesystem" important yes >"$disk/.snapshots/1/info.xml"
  for unit in timers/transactional-update.timer timers/transactional-update-cleanup.timer multi-user/rebootmgr.service; do
    mkdir -p "$new/etc/systemd/system/${unit%/*}.target.wants"
    ln -s "/usr/lib/systemd/system/${unit#*/}" "$new/etc/systemd/system/${unit%/*}.target.wants/"
  done
  echo 1 >"$state/default"
  cp "$family/server.txt" "$sim/server.txt"
}

# GRUB takes the default subvolume; the initramfs brings into its /etc what was changed since it was made, once.
disk_boot() {
  number=$(cat "$state/default")
  booting="snapshot $number"
  root=$disk/.snapshots/$number/snapshot
  cmdline="BOOT_IMAGE=/boot/vmlinuz-6.17.8-1-default root=UUID=4a1f7d3e-5d0c-4b8e-9f57-0e6f3e1c2b11 rd.timeout=60 rd.retry=45 systemd.show_status=1 security=selinux selinux=1 quiet"
  [ -d "$root" ] || return 1
  [ ! -e "$root/etc/etc.syncpoint" ] || sync_etc "$root/etc"
}

sync_etc() { # sync_etc ETC: added, changed or deleted since in the old one, and untouched in the new one
  point=$1/etc.syncpoint
  parent=$disk/.snapshots/$(cat "$point/transactional-update.comparewith")/snapshot/etc
  rm "$point/transactional-update.comparewith"
  (cd "$point" && find . ! -type d) | while read -r file; do
    same "$point/$file" "$1/$file" && [ ! -e "$parent/$file" ] && [ ! -L "$parent/$file" ] && rm -f "$1/$file"
  done || :
  (cd "$parent" && find . -name etc.syncpoint -prune -o ! -type d -print) | while read -r file; do
    if same "$parent/$file" "$point/$file"; then continue; fi
    if [ -e "$1/$file" ] || [ -L "$1/$file" ]; then same "$point/$file" "$1/$file" || continue; fi
    mkdir -p "$(dirname "$1/$file")"
    rm -f "$1/$file"
    cp -a "$parent/$file" "$1/$file"
  done
  rm -rf "$point"
}

same() { # same FILE FILE: links lead to the same, files hold the same
  if [ -L "$1" ] || [ -L "$2" ]; then
    [ "$(readlink "$1")" = "$(readlink "$2")" ]
  else
    cmp -s "$1" "$2"
  fi
}

disk_mount() {
  bind "$disk/.snapshots" .snapshots
  bind "$disk/var" var
  bind "$state" simhost
}
