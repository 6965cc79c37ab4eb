#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# build.sh CACHE: a machine whose root is a read-only snapshot of snapper's on btrfs, as on MicroOS, out of Debian packages;
# and a repository for it -> CACHE/debian-KEY, which is printed. See debian_root.sh.
#
#   base.qcow2, vmlinuz, initramfs.img     snapshot 1, with version 1; QEMU boots the kernel
#   source/stable                          version 2, as RPM packages
#   source/next                            version 3
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
family=$(cd "$here/../../simhost/families/transactional_update" && pwd)
simhost=$(cd "$here/../../simhost" && pwd)
packages=btrfs-progs,busybox-static,dbus,iproute2,kmod,linux-image-cloud-amd64,openssh-server,procps,rpm,snapper
packages+=,squashfs-tools,sudo,systemd,systemd-sysv,udev
# shellcheck source=tests/lab/debian_root.sh
. "$here/../debian_root.sh"
mapfile -t stand_ins < <(find "$simhost/lib/simhost.sh" "$family/bin/zypper" "$family/recorded" \
  "$family/usr/lib/systemd/system" -type f | LC_ALL=C sort)
cached debian "${stand_ins[@]}"
on_controller btrfs-progs
work_folder debian
out=$work/out
mkdir -p "$out"
debian_root

# -- the system
lab_overlay 5a3c2f0e9d8b4c6fa1e0d7c6b5a49384
mkdir -p "$root/usr/lib/simhost/family" "$root"/{.snapshots,snap}
cp "$simhost/lib/simhost.sh" "$root/usr/lib/simhost/"
cp -r "$family/recorded" "$root/usr/lib/simhost/family/"
install -m 0755 "$family/bin/zypper" "$root/usr/bin/zypper"
cp "$family"/usr/lib/systemd/system/transactional-update* "$root/usr/lib/systemd/system/"
ln -s lab.prod "$root/etc/products.d/baseproduct"
: >"$root/etc/fstab"
printf 'virtio_net\n' >"$root/etc/modules-load.d/lab.conf"
only_units transactional-update.timer transactional-update-cleanup.timer
sed -i '/pam_systemd/d' "$root"/etc/pam.d/* # a login starts no systemd of its own

# -- packages: a version is what its packages are
rpm_of() { # rpm_of NAME VERSION FOLDER: with one file, /usr/lib/NAME or what `files` says
  local name=$1 version=$2
  mkdir -p "$root/tmp/rpm" "$3"
  cat >"$root/tmp/rpm/$name.spec" <<SPEC
%global __os_install_post %{nil}
Name: $name
Version: $version
Release: 1
Summary: $name of the lab
License: GPL-3.0-or-later
BuildArch: noarch
AutoReqProv: no
%description
$name of the lab.
%prep
%build
%install
mkdir -p %{buildroot}/usr/lib
cp /tmp/rpm/content %{buildroot}/usr/lib/${4:-$name}
%files
/usr/lib/${4:-$name}
SPEC
  chroot "$root" rpmbuild --quiet --define '_topdir /tmp/rpm' -bb "/tmp/rpm/$name.spec" >"$work/log" 2>&1 ||
    { tail -n 30 "$work/log" >&2; exit 1; }
  mv "$root"/tmp/rpm/RPMS/noarch/*.rpm "$3/"
  echo "$name $version-1 noarch" >>"$3/packages"
}
release() { # release VERSION FOLDER
  printf 'NAME="Flotilla snapper lab"\nPRETTY_NAME="Flotilla snapper lab %s"\nID=flotilla-lab\nID_LIKE=debian\nVERSION_ID="%s"\n' \
    "$1" "$1" >"$root/tmp/rpm/content"
  rpm_of lab-release "$1" "$2" os-release
}
mkdir -p "$root/tmp/rpm"
release 1 "$work/installed"
release 2 "$out/source/stable"
release 3 "$out/source/next"
echo tool >"$root/tmp/rpm/content"
rpm_of lab-tool 1.0 "$work/installed"
rpm_of lab-old 1.0 "$work/installed"
rpm_of lab-tool 1.1 "$out/source/stable"
rpm_of lab-new 1.0 "$out/source/stable"
rpm_of lab-tool 1.2 "$out/source/next"
rm -rf "$root/tmp/rpm"
cp "$work"/installed/*.rpm "$root/tmp/"
mkdir -p "$root/usr/lib/sysimage/rpm"
chroot "$root" sh -c 'rpm -i /tmp/*.rpm && rm /tmp/*.rpm'

# -- kernel, initramfs
initramfs "$here/init" virtio_blk btrfs
sed '/SPDX/d' "$here/info.xml" >"$work/initramfs/etc/info.xml" # as snapper writes it
pack "$out/initramfs.img"
mv "$root/boot/vmlinuz-$kernel" "$out/vmlinuz"
only_modules virtio_blk virtio_net virtio_rng btrfs squashfs loop fuse i6300esb autofs4 af_packet
find "$root"/boot "$root"/run "$root"/tmp "$root"/dev "$root"/proc "$root"/sys -mindepth 1 -delete
rm -rf "$root"/usr/lib/x86_64-linux-gnu/perl* "$root"/usr/bin/perl* "$root"/usr/share/perl* "$root"/usr/lib/apt \
  "$root"/usr/share/{common-licenses,lintian,bug,pixmaps} "$root"/usr/bin/*apt* "$root"/var/cache/* \
  "$root"/var/lib/{apt,dpkg} "$root"/var/log/* "$root"/vmlinuz* "$root"/initrd*
mkdir -p "$root/var/home"

# -- the disk; its subvolumes are made by the machine itself, as this needs a mount
truncate -s 2G "$work/disk.raw"
eatmydata mkfs.btrfs -q -d single -m single -L lab --rootdir "$root" "$work/disk.raw" >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
timeout 900 qemu-system-x86_64 -machine q35,sata=off,smbus=off,vmport=off -accel tcg,thread=multi -cpu max,-svm,-la57 -m 384 -smp 2 \
  -nodefaults -no-user-config -display none -no-reboot -serial "file:$work/console" \
  -drive "if=virtio,file=$work/disk.raw,format=raw,cache=unsafe,discard=unmap" \
  -kernel "$out/vmlinuz" -initrd "$out/initramfs.img" -append 'lab.prepare console=ttyS0 panic=-1 quiet' </dev/null
grep -q 'lab-initramfs: prepared' "$work/console" || { tail -n 30 "$work/console" >&2; exit 1; }
qemu-img convert -O qcow2 "$work/disk.raw" "$out/base.qcow2"
keep "$out"
