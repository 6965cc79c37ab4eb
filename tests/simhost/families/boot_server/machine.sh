# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The boot server that stands beside a host without a disk: it holds the host's image sets, and can reset it. No family of
# its own that is updated; `beside` in a family's folder names it.
store=$disk/srv/flotilla
first=$(sha256sum <"$family/offers/factory/manifest" | cut -c 1-64)

disk_new() {
  mkdir -p "$disk/etc/systemd/system" "$store/sets" "$store/hosts/live1"
  cp -R "$family/root/." "$disk"
  # As somebody has set it up: the host boots the first set, and follows the stable channel.
  cp -R "$family/offers/factory" "$store/sets/$first"
  words="$(sed -n 's/^cmdline //p' "$store/sets/$first/manifest") flotilla.image=$first"
  echo "$words" >"$store/sets/$first/boot.cmdline"
  printf '#!ipxe\nkernel ../../../sets/%s/vmlinuz64 initrd=initrd.img %s\ninitrd ../../../sets/%s/initrd.img\nboot\n' \
    "$first" "$words" "$first" >"$store/sets/$first/boot.ipxe"
  echo gpg >"$store/sets/$first/verified"
  ln -s "../../sets/$first" "$store/hosts/live1/current"
  printf 'name=stable\nsource=http://images.example.org/b2d\nverification=gpg\nurl=http://images.example.org/b2d/stable\n' \
    >"$store/hosts/live1/channel"
  cp "$family/keys.asc" "$store/hosts/live1/keys.asc"
}

disk_boot() { booting=server; }

# The wire by which it resets the host.
disk_mount() { bind "$machine/of/sim" srv/bmc; }
