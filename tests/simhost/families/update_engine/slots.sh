# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the stand-ins know of the disk, and of the engine that runs.
GPT=/simhost/gpt
ENGINE_STATE=/run/simhost-update-engine
MARKER=/run/update_engine_autoupdate_completed
PREFS=/var/lib/update_engine/prefs

running() { # the number of the partition that GRUB took
  case $(sed 's/.*BOOT_IMAGE=\([^ ]*\).*/\1/' /proc/cmdline) in *-a) echo 3 ;; *) echo 4 ;; esac
}

other() { if [ "$(running)" = 3 ]; then echo 4; else echo 3; fi; }

gpt() { # gpt NUMBER FIELD: 2 label, 3 priority, 4 tries, 5 successful
  awk -v number="$1" -v field="$2" '$1 == number { print $field }' "$GPT"
}

gpt_set() { # gpt_set NUMBER FIELD VALUE
  awk -v number="$1" -v field="$2" -v value="$3" '$1 == number { $field = value } { print }' "$GPT" >"$GPT.new" &&
    mv -f "$GPT.new" "$GPT"
}

known() { sed -n "s/^$2=//p" "/simhost/slots/$1" 2>/dev/null; } # known NUMBER KEY: of what is in a slot

kernel() { case $1 in 3) echo /boot/flatcar/vmlinuz-a ;; *) echo /boot/flatcar/vmlinuz-b ;; esac; }

engine() { cat "$ENGINE_STATE/$1" 2>/dev/null; } # engine KEY: of its state

engine_is_there() { # and is no zombie, which init may leave for a while
  [ -n "$(engine pid)" ] || return 1
  case $(sed 's/.*) //' "/proc/$(engine pid)/stat" 2>/dev/null) in '' | Z*) return 1 ;; esac
}

setting() { # setting KEY, as the engine finds it
  for file in /etc/flatcar/update.conf /usr/share/flatcar/update.conf; do
    ! grep -q "^$1=" "$file" 2>/dev/null || { sed -n "s/^$1=//p" "$file" | tail -n 1; return; }
  done
}

ordered() { # ordered TOOL VERB: the fault that is ordered, for what is no command of its own
  [ ! -f "$SIM/faults/$1.$2" ] || cut -d ' ' -f 1 "$SIM/faults/$1.$2"
}
