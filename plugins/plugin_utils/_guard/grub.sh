# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Boot counting by GRUB, in the convention of greenboot and Fedora's 08_fallback_counting: while boot_success=0, each
# boot takes one from boot_counter; when there is none left GRUB sets it to -1 and boots the second entry.
# The environment block is a file of 1024 bytes (GRUB manual, "Environment block"): no GRUB tool is needed to write it.

counter_file() {
  for dir in /boot/grub2 /boot/grub; do
    if [ -w "$dir/grubenv" ] && grep -q boot_counter "$dir"/*.cfg 2>/dev/null; then
      echo "$dir/grubenv"
      return 0
    fi
  done
  return 1
}

counter_present() { counter_file >/dev/null; }

counter_get() { sed -n 's/^boot_counter=//p' "$(counter_file)" | head -n 1; }

# The block is overwritten in place, as GRUB itself does it: GRUB finds it by its place on the disk.
counter_write() { # counter_write KEY=VALUE...: the other variables stay
  env=$(counter_file) || return 1
  block=$(
    printf '# GRUB Environment Block\n'
    printf '%s\n' "$@"
    grep '=' "$env" | grep -v -e '^#' -e '^boot_counter=' -e '^boot_success='
  )
  [ "${#block}" -lt 1023 ] || return 1
  block=$(printf '%s\n' "$block"; head -c $((1023 - ${#block})) /dev/zero | tr '\0' '#')
  [ "${#block}" = 1024 ] && printf '%s' "$block" | dd of="$env" bs=1024 count=1 conv=notrunc,fsync 2>/dev/null
}

counter_set() { counter_write "boot_counter=$1" boot_success=0; }

counter_clear() { counter_write boot_success=1; }

counter_spent() { counter_present && [ "$(counter_get)" = -1 ]; }
