# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# An OSTree machine like those of the lab (Debian 13, libostree 2025.2, GRUB with boot counting), as the recordings in
# tests/unit/fixtures/ostree show it. Layout and boot: ostree(1), ostree-admin-deploy(1); a deployment is the root, with an
# /etc of its own; /var and /boot are shared.
. "$lib/grub.sh"
order=$disk/ostree/simhost/order
v1=4059c7867590081616a8fef608741ed37f2fe521e1af0fab1c31301ccdac80b9

disk_new() {
  mkdir -p "$disk/boot/loader/entries" "$disk/ostree/repo/refs/remotes/lab/lab/x86_64" "$disk/ostree/deploy/lab/var" \
    "$disk/ostree/simhost/deployments"
  printf '[core]\nrepo_version=1\nmode=bare\n' >"$disk/ostree/repo/config"
  echo $v1 >"$disk/ostree/repo/refs/remotes/lab/lab/x86_64/stable"
  echo $v1.0 >"$order"
  new=$disk/ostree/deploy/lab/deploy/$v1.0
  mkdir -p "$new"
  cp -R "$family/root/." "$new"
  mkdir -p "$new/etc/systemd/system/timers.target.wants"
  ln -s /usr/lib/systemd/system/eos-autoupdater.timer "$new/etc/systemd/system/timers.target.wants/"
  printf 'commit=%s\nversion=1\nrefspec=lab:lab/x86_64/stable\ndate=Tue Nov 24 14:23:57 2026\nquality=good\nkargs=%s\n' \
    $v1 'root=LABEL=lab-root rw console=ttyS0 panic=5 quiet' >"$disk/ostree/simhost/deployments/$v1.0"
  cp "$family/server.txt" "$sim/server.txt"
  grub_new
}

# GRUB takes an entry, the initramfs mounts its deployment.
disk_boot() {
  entry=$(grub_choose)
  id=$(sed -n "$((entry + 1))p" "$order")
  [ -n "$id" ] || id=$(head -n 1 "$order")
  known=$disk/ostree/simhost/deployments/$id
  booting=$(sed -n 's/^version=//p' "$known")
  root=$disk/ostree/deploy/lab/deploy/$id
  commit=$(sed -n 's/^commit=//p' "$known")
  cmdline="BOOT_IMAGE=/boot/ostree/lab-$commit/vmlinuz $(sed -n 's/^kargs=//p' "$known") ostree=/ostree/boot.1/lab/$commit/0"
  [ "$(sed -n 's/^quality=//p' "$known")" != never-up ]
}

disk_mount() {
  bind "$disk" sysroot
  bind "$disk/boot" boot
  bind "$disk/ostree/deploy/lab/var" var
  [ -e "$mnt/ostree" ] || ln -s sysroot/ostree "$mnt/ostree"
}
