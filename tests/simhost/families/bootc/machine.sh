# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A machine that boots container images with bootc 1.16 on its OSTree backend, and GRUB with boot counting as greenboot
# sets it up. Layout and boot are those of OSTree: ostree-admin-deploy(1); /var and /boot are shared, /etc is not.
. "$lib/grub.sh"
order=$disk/ostree/simhost/order

disk_new() {
  # shellcheck disable=SC2046
  set -- $(sed -n 's/^stream9-first //p' "$family/server.txt")
  mkdir -p "$disk/boot" "$disk/ostree/deploy/default/var" "$disk/ostree/simhost/deployments"
  echo "$2.0" >"$order"
  new=$disk/ostree/deploy/default/deploy/$2.0
  mkdir -p "$new/etc/systemd/system/timers.target.wants"
  cp -R "$family/root/." "$new"
  ln -s /usr/lib/systemd/system/bootc-fetch-apply-updates.timer "$new/etc/systemd/system/timers.target.wants/"
  printf 'digest=%s\nchecksum=%s\nversion=%s\nquality=%s\nreference=%s\nsignature=containerPolicy\n' "$@" \
    quay.io/centos-bootc/centos-bootc:stream9 >"$disk/ostree/simhost/deployments/$2.0"
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
  root=$disk/ostree/deploy/default/deploy/$id
  cmdline="BOOT_IMAGE=(hd0,gpt3)/boot/ostree/default-${id%.*}/vmlinuz root=UUID=lab rw ostree=/ostree/boot.1/default/${id%.*}/0"
  [ "$(sed -n 's/^quality=//p' "$known")" != never-up ]
}

disk_mount() {
  bind "$disk" sysroot
  bind "$disk/boot" boot
  bind "$disk/ostree/deploy/default/var" var
  [ -e "$mnt/ostree" ] || ln -s sysroot/ostree "$mnt/ostree"
}
