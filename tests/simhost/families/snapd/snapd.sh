# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the stand-ins of snapd share: its state, and what it does to boot (canonical/snapd boot/bootstate20.go). A change is
# a folder in $CHANGES with kind, summary, status, error, and `work`: NAME REVISION OLD-REVISION SOURCE, a line for each snap.
STATE=/var/lib/snapd
CHANGES=/simhost/changes
GRUBENV=/boot/grub/grubenv

classic() { [ ! -f "$STATE/modeenv" ]; }

modeenv() { classic || sed -n "s/^$1=//p" "$STATE/modeenv"; }

modeenv_set() { # modeenv_set KEY VALUE; with an empty one it is left out
  { grep -v "^$1=" "$STATE/modeenv"; [ -z "$2" ] || echo "$1=$2"; } >"$STATE/modeenv.new"
  mv -f "$STATE/modeenv.new" "$STATE/modeenv"
}

kernel_status() { classic || sed -n 's/^kernel_status=//p' "$GRUBENV"; }

kernel_status_set() {
  echo "kernel_status=$1" >"$GRUBENV.new"
  mv -f "$GRUBENV.new" "$GRUBENV"
}

current() { readlink "/snap/$1/current"; }

role() { # role NAME
  case $1_ in
    "$(modeenv base | sed 's/_.*//')_") echo base ;;
    "$(modeenv current_kernels | sed 's/_.*//')_") echo kernel ;;
    *) echo other ;;
  esac
}

runs() { # runs ROLE: the file of the base or the kernel that runs
  kernels=$(modeenv current_kernels)
  case $1 in
    base) if [ "$(modeenv base_status)" = trying ]; then modeenv try_base; else modeenv base; fi ;;
    kernel) if [ "$(kernel_status)" = trying ]; then echo "${kernels##*,}"; else echo "${kernels%%,*}"; fi ;;
  esac
}

link() { # link NAME REVISION: and it is tried at the next boot, if it is one that boots
  ln -sfn "$2" "/snap/$1/current"
  file=$1_$2.snap
  case $(role "$1") in
    base)
      [ "$(modeenv base)" != "$file" ] || return 0
      { grep -vE '^(try_base|base_status)=' "$STATE/modeenv"; printf 'try_base=%s\nbase_status=try\n' "$file"; } \
        >"$STATE/modeenv.new"
      mv -f "$STATE/modeenv.new" "$STATE/modeenv"
      ;;
    kernel)
      [ "$(modeenv current_kernels)" != "$file" ] || return 0
      modeenv_set current_kernels "$(modeenv current_kernels),$file"
      kernel_status_set try
      ;;
  esac
}

unlink_again() { # unlink_again NAME OLD-REVISION: boots without a try; 0: what runs is another one
  file=$1_$2.snap role=$(role "$1")
  ln -sfn "$2" "/snap/$1/current"
  was=$(runs "$role")
  case $role in
    base)
      { grep -vE '^(base|try_base|base_status)=' "$STATE/modeenv"; echo "base=$file"; } >"$STATE/modeenv.new"
      mv -f "$STATE/modeenv.new" "$STATE/modeenv"
      ;;
    kernel) modeenv_set current_kernels "$file"; kernel_status_set '' ;;
    *) return 1 ;;
  esac
  [ "$was" != "$file" ]
}

mark_successful() { # the boot loader first, then the modeenv in one piece (bootStateUpdate20.commit)
  ! classic || return 0
  base=$(runs base) kernel=$(runs kernel)
  kernel_status_set ''
  { grep -vE '^(base|try_base|base_status|current_kernels)=' "$STATE/modeenv"
    printf 'base=%s\ncurrent_kernels=%s\n' "$base" "$kernel"
  } >"$STATE/modeenv.new"
  mv -f "$STATE/modeenv.new" "$STATE/modeenv"
}

tell() { # tell CHANGE KEY VALUE
  echo "$3" >"$CHANGES/$1/$2.new"
  mv -f "$CHANGES/$1/$2.new" "$CHANGES/$1/$2"
}

new_change() { # new_change KIND SUMMARY: prints its number; its work comes on stdin
  id=$(($(cat /simhost/last-change 2>/dev/null || echo 2) + 1))
  echo $id >/simhost/last-change
  mkdir -p "$CHANGES/$id.new"
  cat >"$CHANGES/$id.new/work"
  printf '%s\n' "$1" >"$CHANGES/$id.new/kind"
  printf '%s\n' "$2" >"$CHANGES/$id.new/summary"
  echo Doing >"$CHANGES/$id.new/status"
  mv "$CHANGES/$id.new" "$CHANGES/$id"
  echo "$id"
}

conflict() { # conflict NAME: a change of it goes on
  for one in "$CHANGES"/*/; do
    case $(cat "${one}status" 2>/dev/null) in Doing | Undoing | Wait) ;; *) continue ;; esac
    ! grep -q "^$1 " "${one}work" || { cat "${one}kind"; return 0; }
  done
  return 1
}

ask_for_reboot() { # as `shutdown -r +1` does
  cp "$FAMILY/recorded/maintenance" "$STATE/maintenance.json"
  setsid sh -c 'sleep 60; systemctl reboot' >/dev/null 2>&1 </dev/null &
}

undo() { # undo CHANGE WHY
  tell "$1" status Undoing
  again=
  while read -r name revision old source; do
    ! unlink_again "$name" "$old" || again=1
    # What the change brought is taken away.
    [ "$source" = kept ] || rm -f "$STATE/snaps/${name}_$revision.snap"
  done <"$CHANGES/$1/work"
  tell "$1" error "$2"
  # It ends after the reboot that this takes.
  if [ -n "$again" ]; then ask_for_reboot; else tell "$1" status Error; fi
}

work() { # work CHANGE: up to its end, or to the reboot in the middle
  while read -r name revision _old source; do
    [ "$source" = kept ] || cp "$source" "$STATE/snaps/${name}_$revision.snap"
    sleep 0.2
    link "$name" "$revision"
  done <"$CHANGES/$1/work"
  if [ "$(modeenv base_status)" = try ] || [ "$(kernel_status)" = try ]; then
    tell "$1" status Wait
    ask_for_reboot
  else
    tell "$1" status Done
  fi
}

go_on() { # go_on CHANGE: after the reboot
  while read -r name revision _old _source; do
    role=$(role "$name")
    [ "$role" != other ] || continue
    if [ "$(runs "$role")" != "${name}_$revision.snap" ]; then
      undo "$1" "cannot finish $name installation, there was a rollback across reboot"
      return
    fi
  done <"$CHANGES/$1/work"
  tell "$1" status Done
}
