#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# disk.sh: version 1 deployed on a bootable disk -> $LAB_WORK/base.qcow2
# No loop device and no mount: mke2fs fills the file system, the boot code is written by hand.
set -eu
: "${LAB_WORK:?}"
sysroot=$LAB_WORK/sysroot disk=$LAB_WORK/disk.raw megabytes=3072
if [ -d "$sysroot" ]; then
  chattr -f -i "$sysroot"/ostree/deploy/*/deploy/*.0 || true
  rm -rf --one-file-system "$sysroot"
fi
# Without this the deployment gets the immutable flag.
OSTREE_SYSROOT_DEBUG=mutable-deployments
export OSTREE_SYSROOT_DEBUG
mkdir -p "$sysroot"
ostree admin init-fs --modern "$sysroot"
ostree admin os-init --sysroot="$sysroot" lab
ostree --repo="$sysroot/ostree/repo" config set sysroot.readonly true
ostree --repo="$sysroot/ostree/repo" config set sysroot.bootloader syslinux

# GRUB reads the file that ostree's "syslinux" backend writes. Without the first line GRUB's
# parser makes no menu entries; ostree keeps it.
mkdir -p "$sysroot/boot/loader.0" "$sysroot/boot/syslinux" "$sysroot/boot/grub"
ln -s loader.0 "$sysroot/boot/loader"
echo 'TIMEOUT 10' >"$sysroot/boot/loader.0/syslinux.cfg"
ln -s ../loader/syslinux.cfg "$sysroot/boot/syslinux/syslinux.cfg"
cp "$LAB_FILES/grub/grub.cfg" "$sysroot/boot/grub/grub.cfg"
grub-editenv "$sysroot/boot/grub/grubenv" create

eatmydata ostree --repo="$sysroot/ostree/repo" pull-local --remote=lab "$LAB_WORK/repo" lab/x86_64/stable
set --
# The second line spares work that emulation makes dear. Addresses most of all: QEMU translates code for each address
# that it runs at, so with random ones it translates the same libraries again for each process.
for argument in root=LABEL=lab-root rw console=ttyS0 panic=5 quiet lsm=landlock,lockdown,yama,apparmor \
  norandmaps nokaslr mitigations=off init_on_alloc=0 cryptomgr.notests \
  systemd.gpt_auto=0 systemd.show_status=error; do
  set -- "$@" --karg="$argument"
done
eatmydata ostree admin deploy --sysroot="$sysroot" --os=lab "$@" lab:lab/x86_64/stable

rm -f "$disk"
truncate -s "${megabytes}M" "$disk"
sfdisk --quiet "$disk" <<'END'
label: gpt
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=4096, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root
END
grub-mkimage -O i386-pc -o "$LAB_WORK/core.img" -p /boot/grub -c "$LAB_FILES/grub/early.cfg" \
  biosdisk part_gpt ext2 search search_label loadenv linux linux16 normal test echo configfile syslinuxcfg sleep \
  reboot serial terminal minicmd true ls cat
"$LAB_PYTHON" "$LAB_FILES/build/boot_code.py" "$disk" /usr/lib/grub/i386-pc/boot.img "$LAB_WORK/core.img"
# GRUB of Debian 12 reads neither of the two features that are switched off.
eatmydata mke2fs -q -F -t ext4 -L lab-root -O '^orphan_file,^metadata_csum_seed' -i 16384 -m 1 \
  -E "offset=$((4096 * 512)),lazy_itable_init=1,lazy_journal_init=1" \
  -d "$sysroot" "$disk" "$((megabytes * 1024 - 2048 - 1024))k"
qemu-img convert -O qcow2 "$disk" "$LAB_WORK/base.qcow2"
rm -rf --one-file-system "$sysroot" "$disk"
