# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# boot2docker: the whole OS is in memory, made anew from the initial RAM disk at each boot; /var/lib/docker and
# /var/lib/boot2docker alone are on a disk. What boots is what the boot server beside it has as current.
store=$machine/beside/disk/srv/flotilla

disk_new() { mkdir -p "$disk/var/lib/docker" "$disk/var/lib/boot2docker"; }

disk_boot() {
  rm -f "$sim/reset"
  set=$(readlink -f "$store/hosts/live1/current")
  [ -f "$set/boot.cmdline" ] || { booting="no image on the boot server"; return 1; }
  cmdline=$(cat "$set/boot.cmdline")
  version=$(sed -n 's/^version=//p' "$set/initrd.img")
  booting=$version
  if grep -q '^quality=never-up' "$set/initrd.img"; then
    # It hangs, until the machine is reset from outside.
    until [ -e "$sim/reset" ]; do sleep 0.1; done
    return 1
  fi
  root=$machine/ram
  rm -rf "$root"
  cp -R "$family/root" "$root"
  sed "s/@version@/$version/g" "$root/etc/os-release.in" >"$root/etc/os-release"
  rm "$root/etc/os-release.in"
}

disk_mount() {
  bind "$disk/var/lib/docker" var/lib/docker
  bind "$disk/var/lib/boot2docker" var/lib/boot2docker
}
