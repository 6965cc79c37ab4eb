# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the stand-ins know of the board.
ENVIRONMENT=/simhost/environment
CENTRAL=/var/lib/rauc/central.raucs
SERVICE=/run/simhost-rauc

os_release() { # os_release VERSION
  printf 'NAME="Example OS"\nID=example\nVERSION_ID=%s\nPRETTY_NAME="Example OS %s"\n' "$1" "$1"
}

variable() { sed -n "s/^$1=//p" "$ENVIRONMENT"; }

set_variable() { # set_variable NAME VALUE
  { grep -v "^$1=" "$ENVIRONMENT"; echo "$1=$2"; } >"$ENVIRONMENT.new" && mv -f "$ENVIRONMENT.new" "$ENVIRONMENT"
}

running() { sed 's/.*rauc\.slot=\([AB]\).*/\1/' /proc/cmdline; }

other() { if [ "$(running)" = A ]; then echo B; else echo A; fi; }

number() { if [ "$1" = A ]; then echo 0; else echo 1; fi; } # number BOOTNAME: of its slots

bootname() { # bootname SLOT
  case $1 in rootfs.0) echo A ;; rootfs.1) echo B ;; *) return 1 ;; esac
}

central() { # central SLOT KEY
  sed -n "/^\[slot\.$1\]/,/^\[/s/^$2=//p" "$CENTRAL" | head -n 1
}

left() { echo $((0x$(variable "BOOT_$1_LEFT"))); }

service_is_there() { # and is no zombie, which init may leave for a while; one that is just starting is waited for
  left=50
  until [ -s "$SERVICE/pid" ] || [ ! -e "$UNITS/rauc.service" ] || [ $left = 0 ]; do
    left=$((left - 1))
    sleep 0.1
  done
  [ -s "$SERVICE/pid" ] || return 1
  case $(sed 's/.*) //' "/proc/$(cat "$SERVICE/pid")/stat" 2>/dev/null) in '' | Z*) return 1 ;; esac
}
