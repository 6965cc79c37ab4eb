#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# build.sh CACHE: a machine with GRUB and two slots under RAUC, and signed bundles for it -> CACHE/rauc-KEY, which is
# printed. See debian_root.sh.
#
#   base.qcow2                  version 1 in slot A, slot B empty
#   bundles/good.raucb          version 2
#   bundles/never-up.raucb      version 3: its initramfs ends, the kernel panics
#   bundles/other-key.raucb     signed by somebody whom the image does not know
#   bundles/too-big.raucb       an image that is bigger than a slot
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
packages=busybox-static,dbus,grub-common,iproute2,kmod,linux-image-cloud-amd64,openssh-server,procps,rauc,rauc-service
packages+=,sudo,systemd,systemd-sysv,udev
slot_megabytes=208
# shellcheck source=tests/lab/debian_root.sh
. "$here/../debian_root.sh"
cached rauc "$lab/build/boot_code.py"
on_controller rauc squashfs-tools
work_folder rauc
debian_root

# -- who signs: the image trusts ca.pem; somebody else has keys, too
for name in ca other; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$name.key" -out "$work/$name.pem" -days 3650 \
    -subj "/O=Flotilla Lab/CN=Bundles of $name" 2>/dev/null
done

# -- the system
lab_overlay 5a3c2f0e9d8b4c6fa1e0d7c6b5a49382
cp --no-preserve=ownership,mode "$work/ca.pem" "$root/etc/rauc/ca.pem"
printf 'nbd\ndm-verity\nsquashfs\nloop\nvirtio_net\n' >"$root/etc/modules-load.d/lab.conf"
: >"$root/etc/fstab"
only_units rauc-mark-good.service

# -- kernel, modules and initramfs
initramfs "$here/init" virtio_blk
only_modules virtio_blk virtio_net nbd dm-verity squashfs loop i6300esb autofs4
mv "$root/boot/vmlinuz-$kernel" "$work/vmlinuz"
find "$root/boot" "$root/run" "$root/tmp" "$root/dev" "$root/proc" "$root/sys" -mindepth 1 -delete
cp "$work/vmlinuz" "$root/boot/vmlinuz"
pack "$root/boot/initramfs.img"
mkdir -p "$root/data"
rm -rf "$root"/var/cache/* "$root"/var/lib/apt "$root"/var/lib/dpkg "$root"/var/log/* "$root"/usr/lib/apt "$root"/usr/share/perl*

# -- what the slots share
mkdir -p "$work/data/grub" "$work/data/rauc"
cp -a "$root/var" "$work/data/var"
mkdir -p "$work/data/var/home"
cp -a "$root/etc/systemd/system" "$work/data/systemd"
cp "$here/grub/grub.cfg" "$work/data/grub/"
grub-editenv "$work/data/grub/grubenv" create
grub-editenv "$work/data/grub/grubenv" set ORDER="A B" A_OK=1 A_TRY=0 B_OK=0 B_TRY=0

# -- versions: an image for a slot, and a bundle
identify() { # identify VERSION
  printf 'NAME="Flotilla RAUC lab"\nPRETTY_NAME="Flotilla RAUC lab %s"\nID=flotilla-rauc-lab\nID_LIKE=debian\nVERSION_ID=%s\n' \
    "$1" "$1" >"$root/usr/lib/os-release"
}
slot() { # slot TREE IMAGE [MEGABYTES]
  eatmydata mke2fs -q -F -t ext4 -O '^orphan_file,^metadata_csum_seed,^has_journal' -i 16384 -m 0 -d "$1" "$2" "${3:-$slot_megabytes}M" >/dev/null
}
bundle() { # bundle NAME VERSION IMAGE [KEY]
  rm -rf "$work/content"
  mkdir -p "$work/content" "$work/out/bundles"
  ln "$3" "$work/content/rootfs.img"
  printf '[update]\ncompatible=flotilla-lab\nversion=%s\n\n[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=rootfs.img\n' \
    "$2" >"$work/content/manifest.raucm"
  rauc bundle --cert="$work/${4:-ca}.pem" --key="$work/${4:-ca}.key" \
    --mksquashfs-args='-comp zstd -Xcompression-level 1' "$work/content" "$work/out/bundles/$1.raucb" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
}
identify 1
slot "$root" "$work/v1.img"
identify 2
slot "$root" "$work/v2.img"
: >"$work/initramfs/etc/never-up"
mkdir -p "$work/bad/boot"
cp "$work/vmlinuz" "$work/bad/boot/vmlinuz"
pack "$work/bad/boot/initramfs.img"
slot "$work/bad" "$work/v3.img" 32
head -c 1M /dev/urandom >"$work/big.img"
truncate -s $((slot_megabytes + 8))M "$work/big.img"
bundle good 2 "$work/v2.img"
bundle never-up 3 "$work/v3.img"
bundle other-key 4 "$work/v3.img" other
bundle too-big 5 "$work/big.img"

# -- the disk
disk=$work/disk.raw
sectors=$((slot_megabytes * 2048))
truncate -s $((4 + 128 + 2 * slot_megabytes + 2))M "$disk"
sfdisk --quiet "$disk" <<END
label: gpt
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=4096, size=262144, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=data
start=266240, size=$sectors, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=a
start=$((266240 + sectors)), size=$sectors, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=b
END
grub-mkimage -O i386-pc -o "$work/core.img" -p /grub -c "$here/grub/early.cfg" \
  biosdisk part_gpt ext2 search search_label loadenv linux normal test echo configfile sleep reboot serial terminal minicmd
python3 "$lab/build/boot_code.py" "$disk" /usr/lib/grub/i386-pc/boot.img "$work/core.img"
eatmydata mke2fs -q -F -t ext4 -L lab-data -O '^orphan_file,^metadata_csum_seed' -m 0 \
  -E "offset=$((4096 * 512)),lazy_itable_init=1,lazy_journal_init=1" -d "$work/data" "$disk" 131072k
dd if="$work/v1.img" of="$disk" bs=1M seek=130 conv=notrunc,sparse status=none
qemu-img convert -O qcow2 "$disk" "$work/out/base.qcow2"
keep "$work/out"
