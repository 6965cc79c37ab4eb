# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A machine of Ubuntu Core 24 with GRUB. What boots follows canonical/snapd: the run mode's grub.cfg (kernel_status) and
# boot/bootstate20.go (selectAndCommitSnapInitramfsMount: base_status). The two know nothing of each other: with a kernel
# that never comes up, the next boot tries the new base with the old kernel. A snap's file says what it is:
# NAME REVISION VERSION QUALITY.
state=$disk/var/lib/snapd

disk_new() {
  mkdir -p "$state/snaps" "$disk/var/lib/misc" "$disk/boot/grub" "$disk/simhost/changes" "$disk/etc/systemd/system"
  cp -R "$family/root/." "$disk"
  while read -r name revision version tracking; do
    mkdir -p "$disk/snap/$name"
    ln -s "$revision" "$disk/snap/$name/current"
    echo "$name $revision $version good" >"$state/snaps/${name}_$revision.snap"
    echo "${name}_$revision" >>"$disk/simhost/acked"
    echo "$name $tracking" >>"$disk/simhost/tracking"
  done <<FACTORY
core24 1006 20250110 latest/stable
pc 196 24-0.1 24/stable
pc-kernel 2488 6.8.0-51.52 24/stable
snapd 23545 2.67 latest/stable
FACTORY
  cp "$family/recorded/modeenv" "$state/modeenv"
  echo kernel_status= >"$disk/boot/grub/grubenv"
  cp "$family/server.txt" "$sim/server.txt"
}

# The base is read-only; of what our modules write to these are kept (canonical/core-base, writable-paths).
disk_mount() {
  bind "$disk/var/lib" var/lib
  mount -o remount,bind,ro "$mnt/var/lib"
  for kept in snapd misc; do mount --bind "$disk/var/lib/$kept" "$mnt/var/lib/$kept"; done
}

modeenv() { sed -n "s/^$1=//p" "$state/modeenv"; }

disk_boot() {
  kernels=$(modeenv current_kernels) kernel=${kernels%%,*}
  case $(sed -n 's/^kernel_status=//p' "$disk/boot/grub/grubenv") in
    try) kernel=${kernels##*,}; echo kernel_status=trying >"$disk/boot/grub/grubenv" ;;
    trying) echo kernel_status= >"$disk/boot/grub/grubenv" ;;
  esac
  booting=$kernel cmdline="snapd_recovery_mode=run console=ttyS0,115200n8 panic=-1"
  grep -q ' good$' "$state/snaps/$kernel" || return 1
  base=$(modeenv base)
  case $(modeenv base_status) in
    try) base=$(modeenv try_base); sed -i 's/^base_status=.*/base_status=trying/' "$state/modeenv" ;;
    trying) sed -i '/^base_status=/d' "$state/modeenv" ;;
  esac
  booting="$kernel $base"
  grep -q ' good$' "$state/snaps/$base"
}
