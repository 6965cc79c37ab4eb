# shellcheck shell=sh disable=SC2154 # own, guard and unit are set by boot_image_store.sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The guard of a host that keeps nothing: it stands on the boot server. When nobody has confirmed in time, the host boots
# the previous image set again, and is reset from here. After boot_image_store.sh.
#
# Files in hosts/NAME/guard: guard.sh (this), reset (the command that resets the host), armed, expired (swapped back, to
# be reset), fallback (the record of the last time), lock, pid. Each is written whole; killed at any line it can be run
# again.

get() { sed -n "s/^$2=//p" "$guard/$1" 2>/dev/null | head -n 1; }

# One of "confirm" and "expire" may decide, never both. Made in one call, it says who has it.
take_lock() { ln -s "$1" "$guard/lock" 2>/dev/null || [ "$(readlink "$guard/lock")" = "$1" ]; }

start_watch() { # start_watch SECONDS
  if systemd_here; then
    put "/etc/systemd/system/$unit.timer" "[Unit]
Description=flotilla guard of $FLOTILLA_HOST: the deadline
[Timer]
OnActiveSec=${1}s
AccuracySec=1s
[Install]
WantedBy=timers.target
" && put "/etc/systemd/system/$unit.service" "[Unit]
Description=flotilla guard of $FLOTILLA_HOST: not confirmed in time, going back to the previous image set
[Service]
Type=oneshot
ExecStart=/bin/sh $guard/guard.sh expire
" && systemctl daemon-reload && systemctl enable --now "$unit.timer"
  else
    if command -v setsid >/dev/null; then
      (setsid sh "$guard/guard.sh" wait "$1" >/dev/null 2>&1 </dev/null &)
    else
      (nohup sh "$guard/guard.sh" wait "$1" >/dev/null 2>&1 </dev/null &)
    fi
    n=0
    until watching || [ $n -ge 50 ]; do n=$((n + 1)); sleep 0.2 2>/dev/null || sleep 1; done
    watching
  fi
}

stop_watch() {
  if systemd_here && [ -e "/etc/systemd/system/$unit.timer" ]; then
    systemctl disable --now "$unit.timer" >/dev/null 2>&1
    rm -f "/etc/systemd/system/$unit.timer" "/etc/systemd/system/$unit.service"
    systemctl daemon-reload
  elif watching; then
    pid=$(cat "$guard/pid")
    [ "$pid" = $$ ] || kill -- "-$pid" 2>/dev/null || kill "$pid"
  fi
  rm -f "$guard/pid"
}

arm() { # arm TARGET ROLLBACK_TO CONFIRM_WITHIN BOOT_ID SCRIPT
  [ "$(digest_of next)" = "$1" ] || { echo "$1 is not staged any more" >&2; return 1; }
  [ -n "$FLOTILLA_RESET" ] || { echo "nothing is known that resets the host" >&2; return 1; }
  stop_watch
  rm -rf "$guard"
  # The store is served to everybody; the command that resets the host may hold what is nobody's business.
  mkdir -m 0700 "$guard" || return 1
  covers='confirmation boot hang' reset=$FLOTILLA_RESET
  [ "$reset" != none ] || { covers='' reset=:; }
  if ! { put "$guard/reset" "$reset
" && put "$guard/guard.sh" "FLOTILLA_STORE='$FLOTILLA_STORE' FLOTILLA_HOST=$FLOTILLA_HOST FLOTILLA_RESET=
$5" && put "$guard/armed" "target=$1
target_digest=$1
rollback_to=$2
confirm_within=$3
armed_at=$(date +%s)
boot_id_before=$4
covers=$covers
" && start_watch "$3"; }; then
    stop_watch
    forget
    echo "cannot wait for the deadline on the boot server" >&2
    return 1
  fi
  # Watched before it is swapped: whatever ends this in between, nothing boots unguarded.
  point previous "$2" && point current "$1"
}

expire() {
  [ -f "$guard/armed" ] || return 0
  target=$(get armed target)
  back=$(get armed rollback_to)
  within=$(get armed confirm_within)
  # A confirm that has begun is given a minute to end; one that died there confirmed nothing.
  patience=60
  until take_lock expire; do
    [ -f "$guard/armed" ] || return 0
    [ "$patience" -gt 0 ] || rm -f "$guard/lock"
    patience=$((patience - 1))
    sleep 1
  done
  [ -f "$guard/armed" ] || return 0
  if [ ! -f "$guard/expired" ]; then
    # Taken back by other hands already: then nothing is on trial any more.
    [ "$(digest_of current)" = "$target" ] || { stop_watch; forget; return 0; }
    point current "$back" || return 1
    rm -f "$own/next"
    put "$guard/fallback" "cause=not_confirmed
target=$target
target_digest=$target
rollback_to=$back
at=$(date +%s)
evidence=nobody confirmed it within $within s of the order to boot it, as far as the boot server was told
" && put "$guard/expired" "at=$(date +%s)
" || return 1
  fi
  # Without a reset it would run what nobody has confirmed for ever: it is tried again until it works.
  tries=30
  until said=$(sh "$guard/reset" 2>&1); do
    echo "flotilla-guard: cannot reset $FLOTILLA_HOST: $said"
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 10
  done
  rm -f "$guard/armed" "$guard/expired" "$guard/lock" "$guard/reset"
  stop_watch
}

confirm() { # confirm DIGEST
  if [ -f "$guard/armed" ]; then
    [ "$(get armed target)" = "$1" ] || { echo "the guard is armed for $(get armed target)" >&2; return 76; }
    take_lock confirm || { echo "the deadline has passed; the host is going back already" >&2; return 75; }
    [ "$(digest_of current)" = "$1" ] || { rm -f "$guard/lock"; echo "the boot server has another set as current" >&2; return 1; }
  fi
  stop_watch
  [ "$(digest_of next)" != "$1" ] || rm -f "$own/next"
  forget
}

disarm() {
  if [ -f "$guard/armed" ]; then
    take_lock confirm || { echo "the deadline has passed; the host is going back already" >&2; return 75; }
    # Swapped back before the watch ends.
    [ "$(digest_of current)" != "$(get armed target)" ] || point current "$(get armed rollback_to)" ||
      { rm -f "$guard/lock"; return 1; }
  fi
  stop_watch
  forget
}

forget() {
  rm -rf "$guard"
  flush "$own"
}

wait_for_deadline() { # wait_for_deadline SECONDS: where no systemd does it
  echo $$ >"$guard/pid"
  sleep "$1"
  expire
}
