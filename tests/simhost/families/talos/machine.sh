# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Talos machine of 2026: two slots, of which the boot loader boots the default one (siderolabs/talos
# internal/app/machined/pkg/runtime/v1alpha1/bootloader), META and STATE. It has no shell of its own: what is here is for apid.
state=$disk/simhost

disk_new() {
  mkdir -p "$state/meta" "$disk/etc"
  echo "v1.13.2 good" >"$state/slot-A"
  : >"$state/slot-B"
  echo A >"$state/default"
  cp "$family/machineconfig.yaml" "$state/config"
  cp "$family/server.txt" "$sim/server.txt"
}

disk_boot() {
  slot=$(cat "$state/default")
  echo "$slot" >"$state/active"
  read -r booting quality <"$state/slot-$slot"
  cmdline="talos.platform=metal console=tty0 init_on_alloc=1 slab_nomerge pti=on consoleblank=0 printk.devkmsg=on selinux=1 module.sig_enforce=1"
  [ "$quality" != never-up ]
}
