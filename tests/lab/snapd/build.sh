#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# build.sh CACHE: a machine with the real snapd, whose OS are two snaps (/etc/flotilla/snaps), and folders of them
# -> CACHE/snapd-KEY, which is printed. See debian_root.sh.
#
#   base.qcow2, vmlinuz, initramfs.img     no snap is installed; QEMU boots the kernel
#   source/first                           the snaps that a test installs by hand
#   source/stable                          another version of one of them
#   source/changed                         the same, and a file is not what the list says
#   source/signed                          with an assertion that nobody whom snapd trusts has signed
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
packages=busybox-static,dbus,iproute2,kmod,linux-image-cloud-amd64,openssh-server,procps,snapd,squashfs-tools,sudo,systemd
packages+=,systemd-sysv,udev,wget
# shellcheck source=tests/lab/debian_root.sh
. "$here/../debian_root.sh"
cached snapd
on_controller squashfs-tools
work_folder snapd
out=$work/out
mkdir -p "$out/source"
debian_root

# -- the system
lab_overlay 5a3c2f0e9d8b4c6fa1e0d7c6b5a49385
: >"$root/etc/fstab"
mkdir "$root/etc/flotilla"
printf 'lab-os\nlab-extra\n' >"$root/etc/flotilla/snaps"
printf 'NAME="Flotilla snapd lab"\nPRETTY_NAME="Flotilla snapd lab"\nID=flotilla-lab\nID_LIKE=debian\nVERSION_ID=1\n' \
  >"$root/usr/lib/os-release"
only_units snapd.socket snapd.service

# -- snaps without a base, as there is no store to have it from
snap() { # snap NAME VERSION OUTPUT
  mkdir -p "$work/snap/meta"
  printf 'name: %s\nversion: "%s"\ntype: base\nsummary: %s of the lab\ndescription: Nothing.\n' "$1" "$2" "$1" \
    >"$work/snap/meta/snap.yaml"
  rm -f "$3"
  mksquashfs "$work/snap" "$3" -noappend -comp xz -no-fragments -no-xattrs -all-root -quiet -no-progress >/dev/null
}
folder() { # folder NAME VERSION-OF-LAB-OS: lab-extra is the same in each
  mkdir -p "$out/source/$1"
  cp "$work/extra.snap" "$out/source/$1/lab-extra_1.0.snap"
  snap lab-os "$2" "$out/source/$1/lab-os_$2.snap"
  (cd "$out/source/$1" && sha256sum ./*.snap >SHA256SUMS)
}
snap lab-extra 1.0 "$work/extra.snap"
folder first 1.0
folder stable 2.0
cp -r "$out/source/stable" "$out/source/changed"
echo something >>"$out/source/changed/lab-os_2.0.snap"
mkdir "$out/source/signed"
for name in lab-extra lab-os; do
  snap $name 7.0 "$out/source/signed/${name}_7.snap"
  printf 'type: snap-revision\nauthority-id: canonical\nsnap-sha3-384: %s\nsnap-id: %s\nsnap-revision: 7\n' \
    "$(printf 'A%.0s' {1..64})" "$(printf 'b%.0s' {1..32})" >"$out/source/signed/${name}_7.assert"
  printf 'snap-size: 4096\ndeveloper-id: canonical\ntimestamp: 2026-11-01T00:00:00Z\nsign-key-sha3-384: %s\n\n%s\n' \
    "$(printf 'c%.0s' {1..64})" "$(printf 'AcLB%.0s' {1..32})" >>"$out/source/signed/${name}_7.assert"
done
(cd "$out/source/signed" && sha256sum ./*.snap ./*.assert >SHA256SUMS)

# -- kernel, initramfs, disk
initramfs "$here/init" virtio_blk ext4
pack "$out/initramfs.img"
mv "$root/boot/vmlinuz-$kernel" "$out/vmlinuz"
only_modules virtio_blk virtio_net virtio_rng ext4 squashfs loop i6300esb autofs4 af_packet
find "$root"/boot "$root"/run "$root"/tmp "$root"/dev "$root"/proc "$root"/sys -mindepth 1 -delete
rm -rf "$root"/usr/lib/x86_64-linux-gnu/perl* "$root"/usr/bin/perl* "$root"/usr/share/perl* "$root"/usr/lib/apt \
  "$root"/usr/share/{common-licenses,lintian,bug,pixmaps} "$root"/usr/bin/*apt* "$root"/var/cache/* \
  "$root"/var/lib/{apt,dpkg} "$root"/var/log/* "$root"/vmlinuz* "$root"/initrd*
mkdir -p "$root"/var/home "$root"/snap "$root"/var/cache/{apparmor,snapd}
truncate -s 1G "$work/disk.raw"
eatmydata mke2fs -q -F -t ext4 -L lab-root -O '^orphan_file,^metadata_csum_seed' -m 0 \
  -E 'lazy_itable_init=1,lazy_journal_init=1' -d "$root" "$work/disk.raw"
qemu-img convert -O qcow2 "$work/disk.raw" "$out/base.qcow2"
keep "$out"
