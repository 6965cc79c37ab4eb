# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# boot.sh MACHINE: boot loader, initramfs and the kernel's file systems of a simulated host, up to its PID 1. Runs as
# PID 1 of new namespaces, called by power.sh.
#
# The family's machine.sh chooses what boots and says where it is: see docs/simhost.md.
set -eu
machine=$1 lib=$(dirname "$0")
disk=$machine/disk mnt=$machine/mnt sim=$machine/sim family=$machine/family
# Seen by the /proc of the machine that we run on: the PID by which others enter.
read -r pid _rest </proc/self/stat
root=$disk cmdline=quiet booting=
disk_mount() { :; }
. "$family/machine.sh"

bind() { # bind FROM TO: on the host
  mkdir -p "$mnt/$2"
  mount --bind "$1" "$mnt/$2"
}

disk_boot || { echo "kernel panic: $booting" >&2; sleep 0.2; exit 1; }
mount --bind "$root" "$mnt"
disk_mount
bind "$machine/usr" usr
mount -o remount,bind,ro "$mnt/usr"
mkdir -p "$mnt/proc" "$mnt/run" "$mnt/dev" "$mnt/tmp" "$mnt/sys"
for link in bin sbin lib lib64; do [ -e "$mnt/$link" ] || ln -s "usr/$link" "$mnt/$link"; done
mount -t tmpfs -o mode=755 tmpfs "$mnt/run"
mount -t tmpfs tmpfs "$mnt/tmp"
mount -t tmpfs -o mode=755 tmpfs "$mnt/dev"
for node in null zero urandom; do
  : >"$mnt/dev/$node"
  mount --bind "/dev/$node" "$mnt/dev/$node"
done
bind "$machine/sys" sys
bind "$machine/sim" run/simhost
mount -t proc proc "$mnt/proc"
cat /proc/sys/kernel/random/uuid >"$machine/boot_id"
mount --bind "$machine/boot_id" "$mnt/proc/sys/kernel/random/boot_id"
printf '%s\n' "$cmdline" >"$machine/cmdline"
mount --bind "$machine/cmdline" "$mnt/proc/cmdline"
echo "$pid" >"$machine/pid"
# German, as a host may be: who wants English has to ask for it.
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=de_DE.UTF-8 \
  chroot "$mnt" /bin/sh /usr/lib/simhost/init.sh
