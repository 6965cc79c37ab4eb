# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A classic system whose OS was named to be one snap, without assertions and without a store: it follows a folder. A snap's
# file says what it is: NAME - VERSION QUALITY; its revision is the host's own.
state=$disk/var/lib/snapd

disk_new() {
  mkdir -p "$state/snaps" "$disk/var/lib/misc/flotilla/snapd" "$disk/simhost/changes" "$disk/etc/systemd/system" \
    "$disk/snap/acme-os" "$disk/etc/flotilla"
  cp -R "$family/root/." "$disk"
  echo acme-os >"$disk/etc/flotilla/snaps"
  ln -s x1 "$disk/snap/acme-os/current"
  echo "acme-os - 1.0 good" >"$state/snaps/acme-os_x1.snap"
  echo "acme-os " >"$disk/simhost/tracking"
  echo "http://snaps.example.org/acme stable none" >"$disk/var/lib/misc/flotilla/snapd/folder"
  cp "$family/server.txt" "$sim/server.txt"
}

disk_boot() { booting="the kernel of a package"; }
