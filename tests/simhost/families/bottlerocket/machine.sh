# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Bottlerocket machine of 2024 (core kit 3.1), seen from its admin container: that is where a login ends. The container's
# root is made anew at each boot (host-ctr, main.go: WithNewSnapshot); what it keeps lies in /local on the data volume. The
# host's own root is seen at /.bottlerocket/rootfs. Partition sets and boot flags: signpost, GRUB with gptprio.
state=$disk/simhost

disk_new() {
  mkdir -p "$state" "$disk/local/host-containers/admin"
  printf 'A 2 0 true\nB 0 0 false\n' >"$state/flags"
  echo "1.25.0 good" >"$state/image-A"
  : >"$state/image-B"
  printf 'version-lock=latest\nmetadata-base-url=%s\ntargets-base-url=%s\n' \
    https://updates.example.net/2020-07-07/aws-k8s-1.31/x86_64/ https://updates.example.net/targets/ >"$state/settings"
  cp "$family/server.txt" "$sim/server.txt"
}

# gptprio.next: of the bootable sets the one with the highest priority; it loses a try, unless it was successful.
disk_boot() {
  line=$(awk '$2 > 0 && ($3 > 0 || $4 == "true")' "$state/flags" | sort -k 2,2nr -k 1,1 | head -n 1)
  [ -n "$line" ] || { booting="GRUB: no bootable partition set"; return 1; }
  # shellcheck disable=SC2086
  set -- $line
  [ "$4" = true ] || sed -i "s/^$1 .*/$1 $2 $(($3 - 1)) $4/" "$state/flags"
  echo "$1" >"$state/active"
  read -r booting quality <"$state/image-$1"
  root=$disk/container
  rm -rf "$root"
  mkdir -p "$root"
  cp -R "$family/root/." "$root"
  cmdline="BOOT_IMAGE=(hd0,gpt3)/vmlinuz console=tty0 net.ifnames=0 root=/dev/dm-0 rootwait ro raid=noautodetect random.trust_cpu=on selinux=1 enforcing=1 -- systemd.log_target=journal-or-kmsg"
  [ "$quality" != never-up ]
}

disk_mount() {
  bind "$disk/local/host-containers/admin" .bottlerocket/host-containers/current
  bind "$state" .bottlerocket/rootfs/simhost
  mkdir -p "$mnt/.bottlerocket/rootfs/proc" "$mnt/.bottlerocket/rootfs/sys/fs/selinux"
  printf 1 >"$mnt/.bottlerocket/rootfs/sys/fs/selinux/enforce"
}
