# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Stages one payload with an engine of our own: the OS's unit under another name, which lives for this one update. The
# OS's own unit stays held all the time, so that nothing else is taken and nobody reboots. What the engine offers no way
# to ask for, an exact payload, is watched over: another one is stopped before it is activated. And the slot, which the
# engine makes the next boot, is put behind the running one again: it is booted by deployment_boot, under the guard.
ENGINE=flotilla-update-engine.service
UNITS=/run/systemd/system
MARKER=/run/update_engine_autoupdate_completed
KNOWN=/var/lib/flotilla/update_engine
CLIENT=/run/flotilla/update_engine.log

fail() { # fail WORDS...: the last word is for people; see `explain` in update_engine.py
  echo "flotilla: $*"
  exit 1
}

on_bus() { busctl list --acquired --no-legend 2>/dev/null | grep -q '^com\.coreos\.update1 '; }

stop_engine() {
  systemctl stop "$ENGINE" 2>/dev/null
  rm -rf "${UNITS:?}/$ENGINE" "$UNITS/$ENGINE.d"
  systemctl daemon-reload
}

start_engine() {
  mkdir -p "$UNITS"
  cp /usr/lib/systemd/system/update-engine.service "$UNITS/$ENGINE" || return 1
  if [ -d /etc/systemd/system/update-engine.service.d ]; then
    cp -R /etc/systemd/system/update-engine.service.d "$UNITS/$ENGINE.d" || return 1
  fi
  systemctl daemon-reload && systemctl start "$ENGINE" || return 1
  left=30
  until on_bus; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 1
  done
}

status() { # status KEY: as the client printed it last
  sed -n "s/^$1=//p" "$CLIENT" | tail -n 1
}

answer_of() { # answer_of ELEMENT ATTRIBUTE: of the first such element of the answer on stdin
  tr '\n<' ' \n' | sed -n "s/^$1[ ].*[ ]*$2=\"\([^\"]*\)\".*/\1/p; s/^$1 $2=\"\([^\"]*\)\".*/\1/p" | head -n 1
}

running_version() { sed -n 's/^VERSION_ID=//p' /usr/lib/os-release | tr -d "\"'"; }

older() { # older A B: whether version A comes before version B
  [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t . -k 1,1n -k 2,2n -k 3,3n | head -n 1)" = "$1" ]
}

taken() { # the payload that the engine has taken up, in base64
  preference current-response-signature | sed -n 's/^Payload Sha256 Hash = //p'
}

watch() { # watch PAYLOAD CLIENT-PID: until the client ends, or the engine; 1: the engine took up something else
  shown=
  while kill -0 "$2" 2>/dev/null; do
    sleep 1
    on_bus || kill "$2" 2>/dev/null
    operation=$(status CURRENT_OP)
    line="$operation $(status NEW_VERSION) $(status PROGRESS)"
    [ "$line" = "$shown" ] || echo "$line"
    shown=$line
    case $operation in
      *_DOWNLOADING | *_VERIFYING | *_FINALIZING | *_NEED_REBOOT) [ "$(taken)" = "$1" ] || return 1 ;;
    esac
  done
}

# What the other slot holds boots no more, unless it was good before.
unstage() {
  here=$(running_slot) && there=$(other_slot "$here") || return 1
  [ "$(slot_attribute "$there" S)" = 1 ] || cgpt add -T 0 "$there" || return 1
  cgpt prioritize "$here" || return 1
  ! on_bus || update_engine_client -reset_status >/dev/null 2>&1
  rm -f "$MARKER" /run/reboot-required
  [ "$(next_slot)" = "$here" ]
}

remember() { # remember HASH DIGEST VERSION: what is now in the other slot; and what runs, for when it is the other one
  mkdir -p "$KNOWN"
  running=$(running_hash) || return 1
  kept=$(grep "^$running " "$KNOWN/slots" 2>/dev/null | head -n 1)
  [ -n "$kept" ] || kept="$running $running $(running_version)"
  { [ "$running" = "$1" ] || echo "$kept"; echo "$1 $2 $3"; } >"$KNOWN/slots.new" &&
    { sync "$KNOWN/slots.new" 2>/dev/null || sync; } && mv -f "$KNOWN/slots.new" "$KNOWN/slots"
}

stage() { # stage PAYLOAD DIGEST ALLOW_DOWNGRADE: the payload's SHA-256 in base64 and in hexadecimal
  for unit in update-engine locksmithd; do
    ! systemctl is-active --quiet "$unit.service" || fail "refused $unit.service is running; hold the native updater first"
  done
  there=$(other_slot "$(running_slot)") || fail "failed the running slot is not known"
  answer=$(ask 2>&1) || fail "no_answer $answer"
  offered=$(printf '%s' "$answer" | answer_of action sha256)
  version=$(printf '%s' "$answer" | answer_of manifest version)
  [ "$offered" = "$1" ] || fail "not_offered $(printf '%s' "$answer" | tr '\n' ' ')"
  runs=$(running_version)
  if [ "$3" != 1 ] && older "$version" "$runs"; then
    fail "refused $version is older than $runs, which runs; allow_downgrade"
  fi
  # While it is written the slot must not boot, whatever it held before.
  if ! unstage || ! cgpt add -S 0 -T 0 "$there"; then
    fail "failed the slot $(slot_label "$there") cannot be closed"
  fi
  trap 'stop_engine; rm -f "$CLIENT"' EXIT
  stop_engine
  began=$(date +%s)
  start_engine || fail "failed update_engine does not start"
  update_engine_client -update >"$CLIENT" 2>&1 &
  if ! watch "$1" $!; then
    stop_engine
    unstage
    fail "refused the server offered this payload, and gave the engine another one: $(taken)"
  fi
  wait $!
  cat "$CLIENT"
  if [ "$(update_engine_client -status 2>/dev/null | sed -n 's/^CURRENT_OP=//p')" != UPDATE_STATUS_UPDATED_NEED_REBOOT ]; then
    journalctl -u "$ENGINE" --since "@$began" -o cat --no-pager 2>/dev/null |
      grep -E '^E|:ERROR:|error code: ' | tail -n 20
    unstage
    fail "engine_failed it ended as $(status CURRENT_OP)"
  fi
  if [ "$(taken)" != "$1" ] || [ "$(next_slot)" != "$there" ]; then
    unstage
    fail "failed the engine is done, and the next boot is not the payload that was asked for"
  fi
  here=$(running_slot)
  if ! cgpt prioritize "$here" || [ "$(next_slot)" != "$here" ] || ! bootable "$there"; then
    unstage
    fail "failed the slot $(slot_label "$there") cannot be put behind the running one"
  fi
  # Nobody shall take it for a reason to reboot.
  rm -f "$MARKER" /run/reboot-required
  hash=$(slot_hash "$there") || fail "failed the kernel of the new slot carries no root hash of /usr"
  remember "$hash" "$2" "$version" || fail "failed the record of the slot cannot be written"
}
