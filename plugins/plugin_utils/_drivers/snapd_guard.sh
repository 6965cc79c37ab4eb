# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of snapd. The OS is a set of snaps: base, kernel and gadget, whose names the modeenv has, and
# snapd itself; a set is called NAME_REVISION+NAME_REVISION..., sorted by name. What `snap list` and /snap/NAME/current
# say changes before the reboot: which base and kernel run, and boot next, only the modeenv and the boot loader know
# (snapd_boot.sh, which comes before this).
# What we keep: `before`, the set that ran before this one; `activated`, the set that was made the next boot; `change`, the
# number of the change of snapd's that made it.
# /var/lib is part of the base, which is read-only; /var/lib/misc is kept.
SETS=${SNAPD_ROOT:-}/var/lib/misc/flotilla/snapd

base_status() { modeenv base_status; }

field() { printf '%s\n' "$env" | sed -n "s/^$1=//p" | head -n 1; }

boot_part() { # boot_part WHEN: the base and the kernel that run (trying), or that boot next (try), a line each
  ! classic || return 0
  patiently 20 unambiguous || return 1
  # In this order, and the file in one piece.
  status=$(kernel_status) && env=$(cat "$MODEENV") || return 1
  base=$(field base) kernels=$(field current_kernels)
  [ "$(field base_status)" != "$1" ] || base=$(field try_base)
  if [ "$status" = "$1" ]; then kernel=${kernels##*,}; else kernel=${kernels%%,*}; fi
  [ -n "$base" ] && [ -n "$kernel" ] && printf '%s\n' "${base%.snap}" "${kernel%.snap}"
}

other_part() { # the members whose refresh needs no reboot of its own
  gadget=$(modeenv gadget)
  names="${gadget%_*} snapd"
  ! classic || names=$(cat "$NAMED")
  for name in $names; do
    revision=$(readlink "${SNAPD_ROOT:-}/snap/$name/current") && echo "${name}_${revision##*/}"
  done
}

a_set() { # a_set: of the members on stdin, NAME_REVISION a line
  sed 's/_\([^_]*\)$/ \1/' | LC_ALL=C sort | tr ' \n' '_+' | sed 's/+$//'
}

set_of() { # set_of WHEN
  boot=$(boot_part "$1") || return 1
  { [ -z "$boot" ] || printf '%s\n' "$boot"; other_part; } | a_set
}

# Where GRUB does not keep it, the kernel's status is had from a tool that comes up later than we do.
booted_id() { patiently 90 unambiguous && set_of trying; }

next_id() { set_of try; }

trying() { [ "$(base_status)" = trying ] || [ "$(kernel_status)" = trying ]; }

settled() { ! trying; } # snapd has marked this boot good

keep() { # keep FILE TEXT
  mkdir -p "$SETS" && printf '%s\n' "$2" >"$SETS/$1.new" && { sync "$SETS/$1.new" 2>/dev/null || sync; } &&
    mv -f "$SETS/$1.new" "$SETS/$1"
}

# Where snapd is about to reboot the host it answers nobody, and the snap command waits for it for minutes.
tasks() { timeout 10 snap tasks "$1"; } # tasks CHANGE

restarting() { grep -q '"system-restart"' "${SNAPD_ROOT:-}/var/lib/snapd/maintenance.json" 2>/dev/null; }

working() { # working CHANGE: it has tasks that are neither done nor waiting for something from outside
  shown=$(tasks "$1" 2>/dev/null) || return 1
  printf '%s\n' "$shown" | grep -qE '^(Doing|Abort|Undo|Undoing) '
}

over() { # over CHANGE: nothing of it is left to be done; snapd forgets changes after some days
  shown=$(tasks "$1" 2>&1) || case $shown in *"cannot find change"*) return 0 ;; *) return 1 ;; esac
  ! printf '%s\n' "$shown" | grep -qE '^(Do|Doing|Abort|Undo|Undoing|Wait) '
}

# Ours goes on by itself after the reboot; where what was tried did not come up, it is undone, which may take another one.
finished() { [ ! -f "$SETS/change" ] || over "$(cat "$SETS/change")"; } # finished: our last change

at_rest() { settled && finished && ! restarting; }

# snapd asks for the reboot itself, a minute after this: it is late, not lost, when we are not there any more.
arrives() { # arrives CHANGE SET: the change has made SET the next boot
  left=900
  until [ "$(next_id)" = "$2" ] && { restarting || ! working "$1"; }; do
    ! tasks "$1" 2>/dev/null | grep -qE '^(Error|Undone) ' || { snap watch "$1" >&2; return 1; }
    ! over "$1" || [ "$(next_id)" = "$2" ] || { echo "snapd did it, and the next boot is $(next_id), not $2" >&2; return 1; }
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "snapd does not get to the end of change $1" >&2; return 1; }
    sleep 1
  done
}

ask_snapd() { # ask_snapd VERB...: prints the number of the change; while another one goes on, snap exits with 10
  left=60
  while :; do
    change=$(snap "$@") && break
    [ $? = 10 ] && left=$((left - 1)) && [ "$left" -gt 0 ] || return 1
    sleep 1
  done
  # Of several lines the last: a notice may come before it.
  printf '%s\n' "$change" | tail -n 1
}

not_working() { ! working "$1"; }

# Those that differ go back in one change, and with one reboot: from the files that snapd has kept, which it knows by their
# assertions. One alone is reverted, so that snapd does not take the other one again by itself; so is what has none.
change_to() { # change_to MEMBER...: prints the number of the last change
  case "$# $*" in
    1\ * | *_x[0-9]*)
      for member; do
        change=$(ask_snapd revert --no-wait "--revision=${member##*_}" "${member%_*}") || return 1
        [ $# = 1 ] || patiently 300 not_working "$change" || return 1
      done
      echo "$change"
      ;;
    *)
      files=
      for member; do files="$files $SNAPS/$member.snap"; done
      # shellcheck disable=SC2086 # names of snaps hold no blanks
      ask_snapd install --no-wait --transaction=all-snaps $files
      ;;
  esac
}

# What snapd undoes, it takes away, gadget and snapd included. Where base and kernel are those of SET, what is gone of the
# others is not missed: that is a host which went back, and what it runs is all there is.
make_default() { # make_default SET
  patiently 90 at_rest || return 1
  next=$(next_id) && running=$(booted_id) && boot=$(boot_part try | tr '\n' ' ') || return 1
  [ "$next" != "$1" ] || return 0
  wanted=$1 lost='' reboot=''
  # shellcheck disable=SC2046 # members hold no blanks
  set -- $(echo "$1" | tr + ' ')
  changed=
  for member; do
    case +$next+ in *"+$member+"*) continue ;; esac
    [ -e "$SNAPS/$member.snap" ] || { lost=1; continue; }
    changed="$changed $member"
  done
  for member in $boot; do
    case +$wanted+ in *"+$member+"*) ;; *) reboot=1 ;; esac
  done
  [ -z "$reboot$changed" ] || [ -z "$lost" ] || return 1
  [ -n "$changed" ] || { [ -z "$reboot" ]; return; }
  # shellcheck disable=SC2086
  keep before "$running" && change=$(change_to $changed) && keep change "$change" && arrives "$change" "$wanted"
}
