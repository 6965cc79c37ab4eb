# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Bottlerocket from inside one of its host containers: its API, and, in a container that may do everything, its boot flags.
STORE=/.bottlerocket/host-containers/current/flotilla/bottlerocket
# The longest pause between two looks at the dispatcher (s). Looked at too often, the API server is busy for others.
LONGEST=5
# How many looks in a row may show nothing of what was ordered.
PATIENCE=5

fail() { # fail WORDS...: the first word is for `explain` in bottlerocket.py
  echo "flotilla: $*"
  exit 1
}

# On the host itself: sheltie's way out of the admin container, which shares the host's processes.
on_host() { nsenter -t 1 -a -- "$@"; }

flat() { tr -s '\n\t ' '   '; }

status() { # the whole status in one line; 2: the dispatcher is at work, 3: it was asked nothing yet in this boot
  if told=$(apiclient get /updates/status 2>&1); then
    printf '%s' "$told" | flat
    return 0
  fi
  case $told in
    *"Status 423"*) return 2 ;;
    *"Status 404"*) return 3 ;;
  esac
  echo "$told" >&2
  return 1
}

word() { # word KEY: of the status on stdin, outside of all images
  sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"
}

image() { # image KEY: of the status on stdin, as VERSION VARIANT ARCH
  found=$(sed -n "s/.*\"$1\" *: *{\([^{}]*\)}.*/\1/p; s/.*\"$1\" *: *{[^{}]*\"image\" *: *{\([^{}]*\)}.*/\1/p" | head -n 1)
  [ -n "$found" ] || return 0
  for key in version variant arch; do printf '%s\n' "$found" | word $key; done | tr '\n' ' ' | sed 's/ $//'
}

stamp() { # stamp STATUS: which command was the last one
  printf '%s' "$1" | sed -n 's/.*"most_recent_command" *: *{\(.*\)}.*/\1/p' | word timestamp
}

# act COMMAND URI: order it, and wait until the dispatcher says what became of it, as `apiclient update` does. 2: it was
# refused, and nothing was done.
act() {
  before=$(status)
  was=$(stamp "$before")
  said=$(apiclient raw -m POST -u "$2" 2>&1) || { echo "$said"; return 2; }
  unknown=0 pause=1
  while :; do
    sleep $pause
    [ $pause -ge $LONGEST ] || pause=$((pause + 1))
    now=$(status)
    case $? in
      0) ;;
      2) continue ;;
      *) unknown=$((unknown + 1)); [ $unknown -lt $PATIENCE ] || { echo "the API does not answer"; return 1; }; continue ;;
    esac
    if [ "$(printf '%s' "$now" | word cmd_type)" != "$1" ] || [ "$(stamp "$now")" = "$was" ]; then
      unknown=$((unknown + 1))
      [ $unknown -lt $PATIENCE ] || { echo "the dispatcher took no $1"; return 1; }
      continue
    fi
    [ "$(printf '%s' "$now" | word cmd_status)" = Success ] && return 0
    printf '%s' "$now" | sed -n 's/.*"stderr" *: *"\(\([^"\\]\|\\.\)*\)".*/\1/p' | sed 's/\\n/ /g; s/\\"/"/g'
    return 1
  done
}

# remember RUNNING OTHER: the images of both sets. It lies where the container keeps what outlives it.
remember() {
  mkdir -p "$STORE" && printf '%s\n' "$@" >"$STORE/sets.new" &&
    { sync "$STORE/sets.new" 2>/dev/null || sync; } && mv -f "$STORE/sets.new" "$STORE/sets"
}

stage() { # stage RUNNING WANTED: images as VERSION VARIANT ARCH
  said=$(act refresh /actions/refresh-updates) || fail "no_answer $said"
  now=$(status) || fail "failed the status cannot be read"
  chosen=$(printf '%s' "$now" | image chosen_update)
  [ "$chosen" = "$2" ] || fail "not_offered ${chosen:-nothing}"
  # Until it is written, nobody knows what the other set holds.
  known=$(cat "$STORE/sets" 2>/dev/null)
  rm -f "$STORE/sets"
  echo "downloading $chosen"
  said=$(act prepare /actions/prepare-update)
  case $? in
    0) ;;
    2)
      [ -z "$known" ] || remember "$known"
      fail "not_prepared $said"
      ;;
    *) fail "not_prepared $said" ;;
  esac
  now=$(status) || fail "failed the status cannot be read"
  written=$(printf '%s' "$now" | image staging_partition)
  [ "$written" = "$2" ] || fail "failed the dispatcher wrote ${written:-nothing}"
  remember "$1" "$2" || fail "failed the record of the sets cannot be written"
}

activate() { # activate IMAGE: what is written, and is just that, boots next
  now=$(status) || { echo "the status cannot be read" >&2; return 1; }
  [ "$(printf '%s' "$now" | image staging_partition)" = "$1" ] || { echo "$1 is not what is written" >&2; return 1; }
  [ "$(printf '%s' "$now" | word update_state)" != Ready ] || return 0
  said=$(act activate /actions/activate-update) || { echo "$said" >&2; return 1; }
  [ "$(status | word update_state)" = Ready ] || { echo "the dispatcher is not ready" >&2; return 1; }
}

go_back() { # the other set boots next
  on_host signpost rollback-to-inactive || return 1
  now=$(on_host signpost status) || return 1
  active=$(printf '%s\n' "$now" | sed -n 's/^Active: *//p') next=$(printf '%s\n' "$now" | sed -n 's/^Next: *//p')
  case $next in "" | None | "$active") echo "$active still boots next" >&2; return 1 ;; esac
}
