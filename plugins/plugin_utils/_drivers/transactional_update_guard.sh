# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of hosts whose root is a snapshot: the number of the one that runs, and of the one that boots
# next. Both are asked as transactional-update itself does it.

booted_id() {
  findmnt --target / --raw --noheadings --output FSROOT --first-only --direction backward --types btrfs 2>/dev/null |
    sed -n 's|.*/\.snapshots/\([0-9]*\)/snapshot.*|\1|p'
}

default_id() {
  btrfs subvolume get-default / 2>/dev/null | sed -n 's|.* path .*\.snapshots/\([0-9]*\)/snapshot$|\1|p'
}

# Without the bus, as early in a boot, snapper works by itself.
by_snapper() {
  if [ -S /run/dbus/system_bus_socket ]; then snapper "$@"; else snapper --no-dbus "$@"; fi
}

# By snapper, whose plugins tell a boot loader that does not follow the default (systemd-boot, grub2-bls). Where the bus is
# there and snapper's daemon gives no answer, without it; an old snapper cannot do it, and then there is no such loader.
make_default() { # make_default NUMBER
  [ "$(default_id)" != "$1" ] || return 0
  [ -d "/.snapshots/$1/snapshot" ] || return 1
  by_snapper modify --default "$1" >/dev/null 2>&1
  [ "$(default_id)" = "$1" ] || snapper --no-dbus modify --default "$1" >/dev/null 2>&1
  [ "$(default_id)" = "$1" ] || [ -x /usr/bin/sdbootutil ] || btrfs subvolume set-default "/.snapshots/$1/snapshot" >/dev/null
  [ "$(default_id)" = "$1" ]
}
