# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# GRUB with boot counting, in the convention of Fedora's 08_fallback_counting, as the lab's machines have it
# (tests/unit/fixtures/ostree/serial-fallback-never-up.txt): while boot_success=0 each boot takes one from boot_counter;
# when none is left it becomes -1, and the second entry boots.
grub_env=$disk/boot/grub/grubenv

grub_new() {
  mkdir -p "$disk/boot/grub"
  echo '# boot_counter is counted in here' >"$disk/boot/grub/grub.cfg"
  grub_write boot_success=1
}

grub_write() { # the whole block: 1024 bytes, filled up with #
  { printf '# GRUB Environment Block\n'; printf '%s\n' "$@"; head -c 1024 /dev/zero | tr '\0' '#'; } | head -c 1024 >"$grub_env"
}

grub_choose() { # prints the number of the entry that boots, from 0
  counter=$(sed -n 's/^boot_counter=//p' "$grub_env")
  if [ -z "$counter" ] || grep -q '^boot_success=1' "$grub_env"; then
    echo 0
  elif [ "$counter" -le 0 ]; then
    grub_write boot_counter=-1 boot_success=0
    echo 1
  else
    grub_write "boot_counter=$((counter - 1))" boot_success=0
    echo 0
  fi
}
