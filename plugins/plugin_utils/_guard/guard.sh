#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The flotilla guard: goes back to the previous deployment unless the new one is confirmed in time.
# Put here by flotilla.container_os.deployment_boot, removed by deployment_confirm. It needs nothing but sh, sed, the
# OS's own update tool and systemd. Functions that know the update mechanism (booted_id, make_default) and the boot
# loader (counter_*) stand above this part of the file.
#
#   guard.sh arm TARGET TARGET_DIGEST ROLLBACK_TO CONFIRM_WITHIN TRIES   before the reboot
#   guard.sh boot                                          at every boot, by flotilla-guard.service
#   guard.sh expire                                        at the deadline, by flotilla-guard-expire.timer
#   guard.sh confirm ID                                    the new deployment is good: forget everything
#   guard.sh disarm                                        call it off: the target was never booted
#
# Files in $GUARD_DIR: armed (what is guarded), trial (the boot that is on trial), expired (the deadline has passed,
# going back), fallback (the record of the last time that it went back). Each is written whole and renamed into place,
# before what it announces is done: this script may be killed at any line and started again.
: "${GUARD_DIR:=/var/lib/flotilla/guard}"
UNIT_DIR=/etc/systemd/system
BOOT_ID=/proc/sys/kernel/random/boot_id

get() { sed -n "s/^$2=//p" "$GUARD_DIR/$1" 2>/dev/null | head -n 1; }

record() { # record FILE KEY=VALUE...
  file=$1
  shift
  printf '%s\n' "$@" >"$GUARD_DIR/$file.new" &&
    { sync "$GUARD_DIR/$file.new" 2>/dev/null || sync; } &&
    mv -f "$GUARD_DIR/$file.new" "$GUARD_DIR/$file"
}

# One of "confirm" and "expire" may decide, never both. Made in one call, it says who has it.
take_lock() { ln -s "$1" "$GUARD_DIR/lock" 2>/dev/null || [ "$(readlink "$GUARD_DIR/lock")" = "$1" ]; }

counted() { case " $(get armed covers) " in *" boot "*) ;; *) return 1 ;; esac; }

# Where the boot loader counts for us, that it has stopped counting is proven, or an error.
stop_counting() { ! counted || counter_clear; }

now() { date +%s; }

one_line() { tr '\n' ' ' | tr -s ' ' | cut -c 1-"$1"; }

covers() {
  printf confirmation
  ! counter_present || printf ' boot'
  if [ -e /dev/watchdog ] || [ -e /dev/watchdog0 ]; then
    case $(systemctl show -p RuntimeWatchdogUSec --value 2>/dev/null) in "" | 0 | off | infinity) ;; *) printf ' hang' ;; esac
  fi
}

write_units() { # write_units CONFIRM_WITHIN
  cat >"$UNIT_DIR/flotilla-guard.service" <<UNIT
[Unit]
Description=flotilla guard: is the deployment on trial the one that booted?
ConditionPathExists=$GUARD_DIR/armed
DefaultDependencies=no
IgnoreOnIsolate=yes
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target
[Service]
Type=oneshot
TimeoutStartSec=120
ExecStart=/bin/sh $GUARD_DIR/guard.sh boot
StandardOutput=journal+console
UNIT
  # A timer, not a process that sleeps: nothing can kill it, and it counts from the start of the kernel. It has no
  # condition, because it starts before /var is mounted; and it stays when the OS gives up and isolates its emergency
  # mode. The service below has the condition: it is looked at when the time is over.
  cat >"$UNIT_DIR/flotilla-guard-expire.timer" <<UNIT
[Unit]
Description=flotilla guard: deadline for confirming the deployment on trial
DefaultDependencies=no
IgnoreOnIsolate=yes
Conflicts=shutdown.target
Before=shutdown.target
[Timer]
OnBootSec=$1
AccuracySec=1
UNIT
  # When even this fails or hangs, the machine is reset, and the boot loader, which counts, goes back. Only ordered after
  # the mounts: an OS that cannot mount /boot is one to go back from.
  cat >"$UNIT_DIR/flotilla-guard-expire.service" <<UNIT
[Unit]
Description=flotilla guard: not confirmed in time, going back to the previous deployment
ConditionPathExists=$GUARD_DIR/armed
DefaultDependencies=no
IgnoreOnIsolate=yes
After=local-fs.target flotilla-guard.service
FailureAction=reboot-force
[Service]
Type=oneshot
TimeoutStartSec=240
ExecStart=/bin/sh $GUARD_DIR/guard.sh expire
StandardOutput=journal+console
UNIT
  mkdir -p "$UNIT_DIR/sysinit.target.wants"
  ln -sf ../flotilla-guard.service "$UNIT_DIR/sysinit.target.wants/flotilla-guard.service"
  ln -sf ../flotilla-guard-expire.timer "$UNIT_DIR/sysinit.target.wants/flotilla-guard-expire.timer"
}

remove_units() {
  systemctl stop flotilla-guard-expire.timer 2>/dev/null
  rm -f "$UNIT_DIR/sysinit.target.wants/flotilla-guard.service" \
    "$UNIT_DIR/sysinit.target.wants/flotilla-guard-expire.timer" \
    "$UNIT_DIR/flotilla-guard.service" "$UNIT_DIR/flotilla-guard-expire.timer" \
    "$UNIT_DIR/flotilla-guard-expire.service"
}

arm() { # arm TARGET TARGET_DIGEST ROLLBACK_TO CONFIRM_WITHIN TRIES
  command -v systemctl >/dev/null || { echo "no systemd on this host" >&2; return 1; }
  rm -f "$GUARD_DIR/trial" "$GUARD_DIR/expired" "$GUARD_DIR/lock" "$GUARD_DIR/fallback"
  record armed "target=$1" "target_digest=$2" "rollback_to=$3" "confirm_within=$4" "armed_at=$(now)" \
    "boot_id_before=$(cat "$BOOT_ID")" "covers=$(covers)" || return 1
  write_units "$4" || return 1
  ! counted || counter_set "$5" || { echo "cannot write the boot loader's counter" >&2; return 1; }
  sync
}

boot() {
  [ -f "$GUARD_DIR/armed" ] || return 0
  [ "$(cat "$BOOT_ID")" != "$(get armed boot_id_before)" ] || return 0
  running=$(booted_id)
  if [ "$running" = "$(get armed target)" ]; then
    rm -f "$GUARD_DIR/lock" # of a confirm or expire that the last boot cut off
    up=$(cut -d . -f 1 /proc/uptime)
    record trial "boot_id=$(cat "$BOOT_ID")" "booted_at=$(($(now) - up))"
    echo "flotilla-guard: $running is on trial for $(get armed confirm_within) s"
    return 0
  fi
  went_back "$running"
}

went_back() { # went_back RUNNING: the previous deployment runs again; keep it, say why, and stand down
  target=$(get armed target)
  evidence="$1 runs again"
  if [ -f "$GUARD_DIR/expired" ]; then
    cause=not_confirmed
    evidence=$(get expired evidence)
  elif [ -f "$GUARD_DIR/trial" ]; then
    cause=reset
    evidence="it came up, and the machine was reset before anybody confirmed it"
  elif counter_spent; then
    cause=boot_failed
    evidence="the boot loader used up its tries, none of which reached user space"
  else
    cause=not_activated
    evidence="the boot loader was never switched to it (power lost before the shutdown was complete, or finalising failed)"
  fi
  record fallback "cause=$cause" "target=$target" "target_digest=$(get armed target_digest)" "rollback_to=$(get armed rollback_to)" "at=$(now)" "evidence=$evidence"
  echo "flotilla-guard: went back to $1: $cause: $evidence"
  make_default "$1" || { echo "flotilla-guard: cannot make $1 the default again" >&2; return 1; }
  stop_counting || { echo "flotilla-guard: cannot clear the boot loader's counter" >&2; return 1; }
  forget
}

expire() {
  [ -f "$GUARD_DIR/armed" ] || return 0
  running=$(booted_id)
  target=$(get armed target)
  rollback_to=$(get armed rollback_to)
  [ -n "$rollback_to" ] && [ "$running" = "$target" ] || return 0
  # A confirm that has begun is given a minute to end; one that died there confirmed nothing.
  patience=60
  until take_lock expire; do
    [ -f "$GUARD_DIR/armed" ] || return 0
    [ "$patience" -gt 0 ] || rm -f "$GUARD_DIR/lock"
    patience=$((patience - 1))
    sleep 1
  done
  [ -f "$GUARD_DIR/armed" ] || return 0
  failed=$(systemctl list-units --state=failed --no-legend --plain 2>/dev/null | sed 's/ .*//' | one_line 200)
  address=$(ip -brief address 2>/dev/null | grep -v '^lo ' | one_line 200)
  record expired "evidence=nobody confirmed it within $(get armed confirm_within) s of its boot; failed units: ${failed:-none}; network: ${address:-no address}"
  echo "flotilla-guard: $(get expired evidence)"
  if make_default "$rollback_to"; then
    stop_counting || return 1
  elif counted; then
    counter_set 0 || return 1 # the boot loader takes the previous entry instead
  else
    return 1
  fi
  sync
  # By the boot loader, whatever somebody has prepared: a soft reboot would go on with the kernel of the bad deployment.
  SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 SYSTEMCTL_SKIP_AUTO_KEXEC=1 systemctl --no-block reboot
}

confirm() { # confirm ID
  if [ -f "$GUARD_DIR/armed" ]; then
    [ "$(booted_id)" = "$1" ] || { echo "$(booted_id) is running, not $1" >&2; return 76; }
    take_lock confirm || { echo "the deadline has passed; the host is going back already" >&2; return 75; }
    # The counter first: cut off after this line, the timer still guards. The other way round nothing would, and the
    # boot loader would go back at some later boot.
    stop_counting || { rm -f "$GUARD_DIR/lock"; echo "cannot clear the boot loader's counter" >&2; return 1; }
  fi
  forget && leave_nothing
}

disarm() {
  if [ -f "$GUARD_DIR/armed" ]; then
    take_lock confirm || { echo "the deadline has passed; the host is going back already" >&2; return 75; }
    stop_counting || { rm -f "$GUARD_DIR/lock"; echo "cannot clear the boot loader's counter" >&2; return 1; }
  fi
  forget && leave_nothing
}

leave_nothing() {
  rm -rf "$GUARD_DIR"
  rmdir "${GUARD_DIR%/*}" 2>/dev/null
  sync
}

forget() { # stand down; the record of a fallback stays
  rm -f "$GUARD_DIR/armed"
  remove_units
  rm -f "$GUARD_DIR/trial" "$GUARD_DIR/expired" "$GUARD_DIR/lock"
  sync
}

verb=$1
shift
case $verb in
  arm | boot | expire | confirm | disarm | covers) "$verb" "$@" ;;
  *)
    echo "guard.sh: unknown verb $verb" >&2
    exit 64
    ;;
esac
