# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# systemd-boot 257, as far as it chooses: by its variables, else the newest entry that has a try left, and it counts in the
# names of files (systemd src/boot/boot.c: config_select_default_entry, boot_entry_compare, boot_entry_bump_counters).
# The caller says where $BOOT and $VARIABLES are. Versions here have one digit behind the point.
VENDOR=4a67b082-0a4c-41cf-b6c7-440b29bb8c4f

variable() { tail -c +5 "$VARIABLES/$1-$VENDOR" 2>/dev/null | tr -d '\000'; }

set_variable() { # set_variable NAME TEXT: without a text it is removed
  if [ -z "$2" ]; then
    rm -f "$VARIABLES/$1-$VENDOR"
  else
    { printf '\007\000\000\000'; printf '%s' "$2" | sed 's/./&\n/g' | tr '\n' '\000'; printf '\000\000'; } \
      >"$VARIABLES/$1-$VENDOR"
  fi
}

entries() { # "NUMBER ID FILE" in the order of the menu; 1 for those that have no try left
  for file in "$BOOT"/EFI/Linux/*.efi; do
    [ -f "$file" ] || continue
    name=${file##*/} bad=0
    case $name in *+0-*) bad=1 ;; esac
    case $name in *+*) name=${name%+*}.efi ;; esac
    echo "$bad $name ${file##*/}"
  done | sort -k 1,1 -k 2,2r
}

choose() { # the id of the entry that boots next
  for wanted in "$(variable LoaderEntryOneShot)" "$(variable LoaderEntryDefault)"; do
    if [ -n "$wanted" ] && entries | grep -q " $wanted "; then
      echo "$wanted"
      return
    fi
  done
  entries | head -n 1 | cut -d ' ' -f 2
}

file_of() { entries | grep " $1 " | cut -d ' ' -f 3; } # file_of ID

tries() { # tries FILE: "LEFT DONE", or nothing
  case $1 in
    *+*-*)
      counters=${1##*+}
      counters=${counters%.efi}
      echo "${counters%-*} ${counters#*-}"
      ;;
  esac
}
