#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# tree.sh: $LAB_WORK/root (a Debian system) -> $LAB_WORK/tree (the content of an OSTree commit)
set -eu
: "${LAB_WORK:?}" "${LAB_PORT:?}"
root=$LAB_WORK/root tree=$LAB_WORK/tree
rm -rf --one-file-system "$tree"
cp -a "$root" "$tree"

# What we add. Modes do not survive a checkout of the sources, so they are set here.
overlay=$LAB_WORK/overlay
rm -rf "$overlay"
cp -r "$LAB_FILES/overlay" "$overlay"
find "$overlay" -type d -exec chmod 0755 {} +
find "$overlay" -type f -perm /100 -exec chmod 0755 {} +
find "$overlay" -type f ! -perm /100 -exec chmod 0644 {} +
chmod 0440 "$overlay/etc/sudoers.d/lab"
sed -i "s/@PORT@/$LAB_PORT/" "$overlay/etc/ostree/remotes.d/lab.conf"
cp -r --no-preserve=ownership --preserve=mode "$overlay/." "$tree/"
cp "$LAB_WORK/keys/lab.asc" "$tree/etc/ostree/lab.asc"
chmod 0644 "$tree/etc/ostree/lab.asc"

# The root of the workload: busybox alone, with the mount points that podman needs.
workload=$tree/usr/lib/lab/workload
mkdir -p "$workload/bin" "$workload/dev" "$workload/etc" "$workload/proc" "$workload/run" "$workload/sys" \
  "$workload/tmp" "$workload/var/tmp" "$workload/www"
cp "$tree/usr/bin/busybox" "$workload/bin/busybox"
for file in etc/hosts etc/hostname etc/resolv.conf run/.containerenv; do : >"$workload/$file"; done
ln -sf /proc/mounts "$workload/etc/mtab"
printf 'root:x:0:0:root:/:/bin/sh\n' >"$workload/etc/passwd"

# Kernel and initramfs where ostree looks for them.
kernel=$(ls "$tree/usr/lib/modules")
mv "$tree/boot/vmlinuz-$kernel" "$tree/usr/lib/modules/$kernel/vmlinuz"
"$LAB_FILES/build/initramfs.sh" "$tree" boot "$tree/usr/lib/modules/$kernel/initramfs.img"
"$LAB_FILES/build/identity.sh" "$tree" 1

# State belongs to the machine, not to the image.
for directory in boot dev proc run sys tmp; do
  find "$tree/$directory" -mindepth 1 -delete
done
rm -rf "$tree"/vmlinuz* "$tree"/initrd.img*
mkdir -p "$tree/usr/lib/sysimage"
mv "$tree/var/lib/dpkg" "$tree/usr/lib/sysimage/dpkg"
rm -rf "$tree"/usr/lib/sysimage/dpkg/*-old "$tree"/usr/lib/sysimage/dpkg/lock*
rm -rf "$tree"/var/cache/* "$tree"/var/log/* "$tree"/var/lib/apt/lists/* "$tree"/var/lib/systemd/* "$tree"/var/tmp/* \
  "$tree/var/mail" "$tree/var/local" "$tree"/var/backups/* "$tree/var/opt"
rm -f "$tree/etc/machine-id" "$tree"/etc/ssh/ssh_host_* "$tree/etc/hostname" "$tree/etc/resolv.conf" \
  "$tree/etc/fstab" "$tree/etc/mtab"
: >"$tree/etc/machine-id"
: >"$tree/etc/fstab"
printf 'nameserver 10.0.2.3\n' >"$tree/etc/resolv.conf"

# The layout of an OSTree system.
for directory in home root opt srv mnt media usr/local; do rm -rf "${tree:?}/$directory"; done
ln -s var/home "$tree/home"
ln -s var/roothome "$tree/root"
ln -s var/opt "$tree/opt"
ln -s var/srv "$tree/srv"
ln -s var/mnt "$tree/mnt"
ln -s run/media "$tree/media"
ln -s ../var/usrlocal "$tree/usr/local"
mkdir -p "$tree/sysroot"
ln -s sysroot/ostree "$tree/ostree"
rm -rf "$tree"/usr/lib/python3* "$tree/usr/share/python3"

# Services: what the preset enables; what costs boot time under emulation is masked.
find "$tree/etc/systemd/system" \( -name '*.wants' -o -name '*.requires' \) -prune -exec rm -rf {} +
chroot "$tree" systemctl preset-all >"$LAB_WORK/preset.log" 2>&1
for unit in dev-hugepages.mount getty@tty1.service kmod-static-nodes.service ldconfig.service \
  modprobe@configfs.service modprobe@drm.service modprobe@fuse.service proc-sys-fs-binfmt_misc.automount run-lock.mount \
  serial-getty@ttyS0.service sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount systemd-backlight@.service systemd-battery-check.service systemd-boot-random-seed.service \
  systemd-firstboot.service systemd-hwdb-update.service systemd-journal-catalog-update.service \
  systemd-journal-flush.service systemd-machine-id-commit.service systemd-modules-load.service \
  systemd-network-generator.service systemd-networkd-persistent-storage.service systemd-networkd-wait-online.service \
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-random-seed.service systemd-remount-fs.service \
  systemd-rfkill.service systemd-tmpfiles-setup-dev-early.service systemd-tmpfiles-setup-dev.service \
  systemd-tpm2-setup-early.service systemd-tpm2-setup.service systemd-udev-load-credentials.service \
  systemd-update-done.service; do
  ln -sfn /dev/null "$tree/etc/systemd/system/$unit"
done
# Generators run at each boot and at each daemon-reload. These have nothing to generate here; that for SSH prints an
# error without VSOCK.
mkdir -p "$tree/etc/systemd/system-generators"
for generator in podman-system-generator systemd-getty-generator systemd-gpt-auto-generator \
  systemd-hibernate-resume-generator systemd-rc-local-generator systemd-run-generator systemd-ssh-generator \
  systemd-system-update-generator systemd-sysv-generator systemd-tpm2-generator; do
  ln -s /dev/null "$tree/etc/systemd/system-generators/$generator"
done
# Compiling Debian's hundred profiles takes half a minute here.
find "$tree/etc/apparmor.d" -maxdepth 1 -type f ! -name 'lab-*' -delete
mv "$tree/etc" "$tree/usr/etc"
