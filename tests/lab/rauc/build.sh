#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# build.sh CACHE: a machine with GRUB and two slots under RAUC, and signed bundles for it -> CACHE/rauc-KEY, which is
# printed. Needs root, and the controller's packages that the lab's role installs, and rauc and squashfs-tools.
# No loop device and no mount, as for the lab's own image.
#
#   base.qcow2                  version 1 in slot A, slot B empty
#   bundles/good.raucb          version 2
#   bundles/never-up.raucb      version 3: its initramfs ends, the kernel panics
#   bundles/other-key.raucb     signed by somebody whom the image does not know
#   bundles/too-big.raucb       an image that is bigger than a slot
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
lab=$(cd "$here/../../../roles/lab/files" && pwd)
packages=busybox-static,dbus,grub-common,iproute2,kmod,linux-image-cloud-amd64,openssh-server,procps,rauc,rauc-service,sudo,systemd,systemd-sysv,udev
slot_megabytes=208
export LAB_SUITE=trixie LAB_MIRROR=${LAB_MIRROR:-} LAB_SECURITY_MIRROR=${LAB_SECURITY_MIRROR:-}

key=$( (
  echo $packages
  cd "$here"
  find build.sh grub init overlay -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  cd "$lab"
  find overlay build/boot_code.py -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
) | sha256sum | cut -c 1-12)
result=$cache/rauc-$key
mkdir -p "$cache/locks" "$cache/debs"
exec 9>"$cache/locks/rauc-$key"
flock 9
if [ -e "$result/base.qcow2" ]; then
  echo "$result"
  exit
fi

missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' rauc squashfs-tools 2>/dev/null | grep -c ' installed$' || :)
if [ "$missing" != 2 ]; then
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 install \
    rauc squashfs-tools >&2
fi

work=$(mktemp -d /dev/shm/flotilla-rauc.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

# -- Debian packages
"$lab/build/sources.sh" >"$work/sources.list"
excluded=()
for path in '/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*' '/usr/share/zoneinfo/*' \
  '/usr/share/bash-completion/*' '/usr/lib/x86_64-linux-gnu/gconv/*' '/etc/kernel/postinst.d/initramfs-tools'; do
  excluded+=(--dpkgopt="path-exclude=$path")
done
# shellcheck disable=SC2016  # "$1" is for mmdebstrap's hook
eatmydata mmdebstrap --variant=minbase --include=$packages \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
  "${excluded[@]}" --dpkgopt=force-unsafe-io --skip=download/empty --skip=essential/unlink \
  --setup-hook='mkdir -p "$1"/var/cache/apt/archives' \
  --setup-hook="sync-in '$cache/debs' /var/cache/apt/archives" \
  --customize-hook="sync-out /var/cache/apt/archives '$cache/debs'" \
  $LAB_SUITE "$root" "$work/sources.list" >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; exit 1; }

# -- who signs: the image trusts ca.pem; somebody else has keys, too
for name in ca other; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$name.key" -out "$work/$name.pem" -days 3650 \
    -subj "/O=Flotilla Lab/CN=Bundles of $name" 2>/dev/null
done

# -- the system; much of it is what the lab's own image has (roles/lab/files/overlay)
for path in etc/ssh/sshd_config.d etc/systemd/network etc/sudoers.d usr/lib/systemd/journald.conf.d \
  usr/lib/systemd/system.conf.d usr/lib/systemd/system/sshd-keygen.service.d \
  usr/lib/systemd/system/systemd-udev-trigger.service.d; do
  mkdir -p "$root/$path"
  cp -r --no-preserve=ownership,mode "$lab/overlay/$path/." "$root/$path/"
done
chmod 0440 "$root/etc/sudoers.d/lab"
cp -r --no-preserve=ownership,mode "$here/overlay/." "$root/"
cp --no-preserve=ownership,mode "$work/ca.pem" "$root/etc/rauc/ca.pem"
printf 'nbd\ndm-verity\nsquashfs\nloop\nvirtio_net\n' >"$root/etc/modules-load.d/lab.conf"
echo 5a3c2f0e9d8b4c6fa1e0d7c6b5a49382 >"$root/etc/machine-id"
rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root"/etc/ssh/ssh_host_*
: >"$root/etc/fstab"
find "$root/etc/systemd/system" \( -name '*.wants' -o -name '*.requires' \) -prune -exec rm -rf {} +
for unit in systemd-networkd ssh sshd-keygen rauc-mark-good; do echo "enable $unit.service"; done \
  >"$root/usr/lib/systemd/system-preset/00-lab.preset"
echo 'disable *' >>"$root/usr/lib/systemd/system-preset/00-lab.preset"
chroot "$root" systemctl preset-all >/dev/null 2>&1
for unit in getty@tty1.service serial-getty@ttyS0.service ldconfig.service systemd-hwdb-update.service \
  systemd-journal-catalog-update.service systemd-journal-flush.service systemd-random-seed.service \
  systemd-remount-fs.service systemd-networkd-wait-online.service systemd-update-done.service \
  systemd-binfmt.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-machine-id-commit.service \
  dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service \
  modprobe@configfs.service modprobe@drm.service modprobe@fuse.service; do
  ln -sfn /dev/null "$root/etc/systemd/system/$unit"
done

# -- kernel, modules and initramfs
kernel=$(ls "$root/usr/lib/modules")
mkdir -p "$work/initramfs"/{bin,proc,sys,dev,run,sysroot,etc,lib/modules} "$work/modules"
for module in virtio_blk virtio_net nbd dm-verity squashfs loop i6300esb autofs4; do
  chroot "$root" modprobe -S "$kernel" --show-depends "$module" 2>/dev/null | sed -n 's|^insmod \(/usr\)*/lib|/usr/lib|p' | cut -d ' ' -f 1
done | sort -u >"$work/needed"
install -m 0755 "$here/init" "$work/initramfs/init"
cp "$root/usr/bin/busybox" "$work/initramfs/bin/"
chroot "$root" modprobe -S "$kernel" --show-depends virtio_blk | sed -n 's/^insmod //p' | cut -d ' ' -f 1 |
  while read -r file; do
    plain=$(basename "$file" .xz)
    xz -dc "$root$file" >"$work/initramfs/lib/modules/$plain"
    echo "$plain" >>"$work/initramfs/etc/modules"
  done
pack() { # pack OUTPUT
  (cd "$work/initramfs" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet -R 0:0) | zstd -q -6 >"$1"
}
mv "$root/boot/vmlinuz-$kernel" "$work/vmlinuz"
find "$root/usr/lib/modules/$kernel" -name '*.ko.xz' -printf '/usr/lib/modules/'"$kernel"'/%P\n' | grep -vxFf "$work/needed" |
  sed "s|^|$root|" | xargs rm -f
chroot "$root" depmod "$kernel"
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
rm -rf "$result" "$result.new"
cp -r "$work/out" "$result.new"
qemu-img convert -O qcow2 "$disk" "$result.new/base.qcow2"
mv "$result.new" "$result"
echo "$result"
