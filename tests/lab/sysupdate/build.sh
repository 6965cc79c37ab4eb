#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# build.sh CACHE: a machine of UEFI and systemd-boot with two places for /usr, and a signed source of its versions
# -> CACHE/sysupdate-KEY, which is printed. Needs root, and the packages that the lab's role installs on the controller. No
# loop device and no mount.
#
#   base.qcow2             version 1; place B for /usr is empty; ovmf-code.fd, ovmf-vars.fd: the firmware
#   source/stable          version 2
#   source/never-up        version 3: its initramfs ends, the kernel panics
#   source/other-key       version 2, with a manifest signed by somebody whom the image does not know
#   key.asc                who signs
set -euo pipefail
cache=$1
here=$(cd "$(dirname "$0")" && pwd)
lab=$(cd "$here/../../../roles/lab/files" && pwd)
packages=busybox-static,dbus,gpg,iproute2,kmod,linux-image-cloud-amd64,openssh-server,procps,sudo,systemd,systemd-boot
packages+=,systemd-boot-efi,systemd-boot-tools,systemd-container,systemd-sysv,udev
export LAB_SUITE=trixie LAB_MIRROR=${LAB_MIRROR:-} LAB_SECURITY_MIRROR=${LAB_SECURITY_MIRROR:-}

key=$( (
  echo $packages
  cd "$here"
  find . -type f ! -name '*.py' ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  cd "$lab"
  find overlay build/sources.sh -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
) | sha256sum | cut -c 1-12)
result=$cache/sysupdate-$key
mkdir -p "$cache/locks" "$cache/debs"
exec 9>"$cache/locks/sysupdate-$key"
flock 9
if [ -e "$result/base.qcow2" ]; then
  echo "$result"
  exit
fi

missing=
for package in binutils dosfstools mtools ovmf squashfs-tools; do
  dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' || missing+=" $package"
done
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 install $missing >&2
fi

work=$(mktemp -d /dev/shm/flotilla-sysupdate.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

# -- Debian packages
"$lab/build/sources.sh" >"$work/sources.list"
excluded=()
for path in '/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*' '/usr/share/zoneinfo/*' \
  '/usr/share/bash-completion/*' '/usr/lib/x86_64-linux-gnu/gconv/*' '/etc/kernel/postinst.d/*'; do
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

# -- who signs: the image trusts the first; somebody else has a key, too
for name in ours other; do
  mkdir -m 0700 "$work/$name"
  gpg --homedir "$work/$name" --batch --quiet --passphrase '' --quick-generate-key "$name <lab@example.org>" ed25519 sign never
done 2>/dev/null
gpg --homedir "$work/ours" --batch --export >"$root/etc/systemd/import-pubring.gpg"

# -- the system; much of it is what the lab's own image has (roles/lab/files/overlay)
for path in etc/ssh/sshd_config.d etc/systemd/network etc/sudoers.d usr/lib/systemd/journald.conf.d \
  usr/lib/systemd/system.conf.d usr/lib/systemd/system/sshd-keygen.service.d \
  usr/lib/systemd/system/systemd-udev-trigger.service.d; do
  mkdir -p "$root/$path"
  cp -r --no-preserve=ownership,mode "$lab/overlay/$path/." "$root/$path/"
done
chmod 0440 "$root/etc/sudoers.d/lab"
cp -r --no-preserve=ownership,mode "$here/overlay/." "$root/"
printf 'vfat\nnls_cp437\nnls_ascii\nefivarfs\nvirtio_net\n' >"$root/etc/modules-load.d/lab.conf"
echo 5a3c2f0e9d8b4c6fa1e0d7c6b5a49383 >"$root/etc/machine-id"
rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root"/etc/ssh/ssh_host_*
echo 'LABEL=ESP /boot vfat umask=0077,iocharset=ascii 0 0' >"$root/etc/fstab"
find "$root/etc/systemd/system" \( -name '*.wants' -o -name '*.requires' \) -prune -exec rm -rf {} +
for unit in systemd-networkd.service ssh.service sshd-keygen.service systemd-sysupdate.timer systemd-sysupdate-reboot.timer; do
  echo "enable $unit"
done >"$root/usr/lib/systemd/system-preset/00-lab.preset"
echo 'disable *' >>"$root/usr/lib/systemd/system-preset/00-lab.preset"
chroot "$root" systemctl preset-all >/dev/null 2>&1
for unit in getty@tty1.service serial-getty@ttyS0.service ldconfig.service systemd-hwdb-update.service \
  systemd-journal-catalog-update.service systemd-journal-flush.service systemd-random-seed.service \
  systemd-remount-fs.service systemd-networkd-wait-online.service systemd-update-done.service \
  systemd-binfmt.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-machine-id-commit.service \
  systemd-boot-random-seed.service systemd-boot-update.service dev-hugepages.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
  kmod-static-nodes.service modprobe@configfs.service modprobe@drm.service modprobe@fuse.service; do
  ln -sfn /dev/null "$root/etc/systemd/system/$unit"
done

# -- kernel, modules and initramfs
kernel=$(ls "$root/usr/lib/modules")
modules=(virtio_blk virtio_net squashfs vfat nls_cp437 nls_ascii nls_utf8 efivarfs i6300esb virtio_rng autofs4)
early=(virtio_blk squashfs efivarfs) # the last one for systemd, which mounts it before anything else
needed() { # needed MODULE...: files below /usr/lib/modules, of modules that are not built in, in the order of loading
  for module; do chroot "$root" modprobe -S "$kernel" --show-depends "$module" 2>/dev/null; done |
    sed -n 's|^insmod .*/lib/modules/||p' | cut -d ' ' -f 1 | awk '!seen[$0]++'
}
mkdir -p "$work/initramfs"/{bin,proc,sys,dev,run,sysroot,etc,lib/modules}
install -m 0755 "$here/init" "$work/initramfs/init"
cp "$root/usr/bin/busybox" "$work/initramfs/bin/"
needed "${early[@]}" | while read -r file; do
  plain=$(basename "$file" .xz)
  xz -dc "$root/usr/lib/modules/$file" >"$work/initramfs/lib/modules/$plain"
  echo "$plain" >>"$work/initramfs/etc/modules"
done
pack() { # pack OUTPUT
  (cd "$work/initramfs" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet -R 0:0) | zstd -q -6 >"$1"
}
pack "$work/initramfs.img"
: >"$work/initramfs/etc/never-up"
pack "$work/never-up.img"
needed "${modules[@]}" >"$work/needed"
find "$root/usr/lib/modules" -name '*.ko.xz' -printf '%P\n' | grep -vxFf "$work/needed" |
  sed "s|^|$root/usr/lib/modules/|" | xargs rm -f
chroot "$root" depmod "$kernel"
mv "$root/boot/vmlinuz-$kernel" "$work/vmlinuz"

# -- a version: an image of /usr, and a UKI that names it
stub=$root/usr/lib/systemd/boot/efi/linuxx64.efi.stub
cp "$stub" "$work/stub"
cp "$root/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$work/boot.efi"
uki() { # uki VERSION INITRAMFS OUTPUT
  printf '%s' "lab.usr=lab_$1 console=ttyS0 panic=5 quiet lsm=landlock,lockdown,yama norandmaps nokaslr mitigations=off" \
    " init_on_alloc=0 cryptomgr.notests systemd.gpt_auto=0 systemd.show_status=error" >"$work/cmdline"
  identify "$1" >"$work/osrel"
  local sections=() place section file name size address
  read -r size address < <(objdump -h "$work/stub" | awk '$2 ~ /^\./ { last = $3 " " $4 } END { print last }')
  place=$((16#$size + 16#$address))
  for section in osrel cmdline initrd:"$2" linux:"$work/vmlinuz"; do
    file=${section#*:} name=${section%%:*}
    [ "$file" != "$section" ] || file=$work/$name
    place=$(((place + 4095) / 4096 * 4096))
    sections+=(--add-section ".$name=$file" --change-section-vma ".$name=$place")
    place=$((place + $(stat -c %s "$file")))
  done
  objcopy "${sections[@]}" "$work/stub" "$3"
}
identify() { # identify VERSION
  printf 'NAME="Flotilla sysupdate lab"\nPRETTY_NAME="Flotilla sysupdate lab %s"\nID=flotilla-lab\nID_LIKE=debian\n' "$1"
  printf 'VERSION_ID=%s\nIMAGE_ID=lab\nIMAGE_VERSION=%s\n' "$1" "$1"
}
usr() { # usr TREE OUTPUT
  rm -f "$2"
  mksquashfs "$1" "$2" -comp zstd -Xcompression-level 3 -noappend -quiet -no-progress >/dev/null
}
rm -rf "$root"/usr/lib/x86_64-linux-gnu/perl* "$root"/usr/bin/perl* "$root"/usr/share/perl* "$root"/usr/lib/apt \
  "$root"/usr/lib/systemd/boot "$root"/usr/share/{common-licenses,lintian,bug,pixmaps} "$root"/usr/bin/*apt*
out=$work/out
mkdir -p "$out/source/stable" "$out/source/never-up" "$work/nothing"
rm -f "$root/usr/lib/os-release"
identify 1 >"$root/usr/lib/os-release"
usr "$root/usr" "$work/usr1.img"
uki 1 "$work/initramfs.img" "$work/lab_1.efi"
identify 2 >"$root/usr/lib/os-release"
usr "$root/usr" "$out/source/stable/lab_2.usr.img"
uki 2 "$work/initramfs.img" "$out/source/stable/lab_2.efi"
usr "$work/nothing" "$out/source/never-up/lab_3.usr.img"
uki 3 "$work/never-up.img" "$out/source/never-up/lab_3.efi"
cp -r "$out/source/stable" "$out/source/other-key"
for source in stable:ours never-up:ours other-key:other; do
  (
    cd "$out/source/${source%:*}"
    sha256sum ./* | sed 's| \./| |' >SHA256SUMS
    gpg --homedir "$work/${source#*:}" --batch --quiet --detach-sign -o SHA256SUMS.gpg SHA256SUMS
  )
done
gpg --homedir "$work/ours" --batch --armor --export >"$out/key.asc"

# -- the disk: what boots, two places for /usr, and the rest of the system
disk=$work/disk.raw usr_megabytes=96
sector=2048
{
  echo 'label: gpt'
  echo "start=$sector, size=$((160 * 2048)), type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=ESP"
  sector=$((sector + 160 * 2048))
  for label in lab_1 _empty; do
    echo "start=$sector, size=$((usr_megabytes * 2048)), type=8484680C-9521-48C6-9C11-B0720656F69E, name=$label"
    sector=$((sector + usr_megabytes * 2048))
  done
  echo "start=$sector, size=$((256 * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root"
} >"$work/table"
truncate -s $((1 + 160 + 2 * usr_megabytes + 256 + 2))M "$disk"
sfdisk --quiet "$disk" <"$work/table"
truncate -s 160M "$work/esp"
mkfs.vfat -n ESP "$work/esp" >/dev/null
mmd -i "$work/esp" ::EFI ::EFI/BOOT ::EFI/Linux ::EFI/systemd ::loader
echo 'timeout 0' >"$work/loader.conf"
mcopy -i "$work/esp" "$work/loader.conf" ::loader/loader.conf
mcopy -i "$work/esp" "$work/boot.efi" ::EFI/BOOT/BOOTX64.EFI
mcopy -i "$work/esp" "$work/boot.efi" ::EFI/systemd/systemd-bootx64.efi
mcopy -i "$work/esp" "$work/lab_1.efi" ::EFI/Linux/lab_1.efi
dd if="$work/esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$work/usr1.img" of="$disk" bs=1M seek=161 conv=notrunc,sparse status=none
find "$root"/usr "$root"/boot "$root"/run "$root"/tmp "$root"/dev "$root"/proc "$root"/sys -mindepth 1 -delete
rm -rf "$root"/var/cache/* "$root"/var/lib/{apt,dpkg} "$root"/var/log/* "$root"/vmlinuz* "$root"/initrd*
mkdir -p "$root/var/home"
eatmydata mke2fs -q -F -t ext4 -L lab-root -O '^orphan_file,^metadata_csum_seed' -m 0 \
  -E "offset=$(((161 + 2 * usr_megabytes) * 1048576)),lazy_itable_init=1,lazy_journal_init=1" -d "$root" "$disk" 262144k
cp /usr/share/OVMF/OVMF_CODE_4M.fd "$out/ovmf-code.fd"
cp /usr/share/OVMF/OVMF_VARS_4M.fd "$out/ovmf-vars.fd"
qemu-img convert -O qcow2 "$disk" "$out/base.qcow2"
rm -rf "$result"
cp -r "$out" "$result.new"
mv "$result.new" "$result"
echo "$result"
