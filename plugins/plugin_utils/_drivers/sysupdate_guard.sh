# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of hosts that systemd-sysupdate updates and systemd-boot boots. A version is called by the id of
# its boot entry, as systemd-boot has it: the file's name without boot counters ("os_1.1+2-1.efi" is os_1.1.efi).
# systemd-boot takes LoaderEntryOneShot, then LoaderEntryDefault, then loader.conf's default, then the newest entry that
# has a try left. bootctl(1) tells and sets what comes next.
LOADER_VARIABLES=/sys/firmware/efi/efivars
LOADER_VENDOR=4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
SYSUPDATE_STATE=/var/lib/flotilla/sysupdate

loader_variable() { # loader_variable NAME: UTF-16 behind four bytes of attributes
  # In one read from its beginning: tail(1), which seeks, finds nothing on a real efivarfs.
  dd if="$LOADER_VARIABLES/$1-$LOADER_VENDOR" bs=4096 count=1 2>/dev/null | tail -c +5 | tr -d '\000'
}

entry_id() { # entry_id FILE: without folder, counters and the number of a profile
  printf '%s\n' "${1##*/}" | sed 's/@[0-9]*$//; s/+[0-9][0-9]*\(-[0-9][0-9]*\)\{0,1\}\(\.[A-Za-z]*\)$/\2/' | tr '[:upper:]' '[:lower:]'
}

boot_files() { # the files of all entries
  { bootctl --print-boot-path; bootctl --print-esp-path; } 2>/dev/null | sort -u | while IFS= read -r folder; do
    for file in "$folder"/EFI/Linux/*.[eE][fF][iI] "$folder"/loader/entries/*.conf; do
      [ ! -f "$file" ] || printf '%s\n' "$file"
    done
  done
}

entry_file() { # entry_file ID
  found=$(boot_files | while IFS= read -r file; do
    [ "$(entry_id "$file")" != "$1" ] || { printf '%s\n' "$file"; break; }
  done)
  [ -n "$found" ] && printf '%s\n' "$found"
}

tries_left() { # tries_left FILE: nothing where it is not counted
  printf '%s\n' "${1##*/}" | sed -n 's/.*+\([0-9][0-9]*\)\(-[0-9][0-9]*\)\{0,1\}\.[A-Za-z]*$/\1/p'
}

recount() { # recount ID TRIES: give it so many tries; with "good" it is counted no more
  file=$(entry_file "$1") || return 1
  end=.${file##*.} plain=${file%.*}
  [ -z "$(tries_left "$file")" ] || plain=${plain%+*}
  case $2 in good) fresh=$plain$end ;; 0) fresh=$plain+0-1$end ;; *) fresh=$plain+$2-0$end ;; esac
  [ "$file" = "$fresh" ] || mv -f "$file" "$fresh" || return 1
  sync
}

booted_id() {
  selected=$(loader_variable LoaderEntrySelected)
  [ -n "$selected" ] && entry_id "$selected"
}

next_id() {
  next=$(bootctl list --json=short 2>/dev/null | sed 's/{"type":/\
&/g' | grep '"isDefault":true' | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
  [ -n "$next" ] && entry_id "$next"
}

make_default() { # make_default ID
  entry_file "$1" >/dev/null || return 1
  bootctl set-oneshot '' && bootctl set-default "$1" || return 1
  rm -f "$SYSUPDATE_STATE/oneshot"
  [ "$(next_id)" = "$1" ]
}

settle() { # settle ID: it boots next; by the boot loader's own order, if that is enough, so that later versions are taken
  bootctl set-default '' || return 1
  [ "$(next_id)" = "$1" ] || make_default "$1"
}
