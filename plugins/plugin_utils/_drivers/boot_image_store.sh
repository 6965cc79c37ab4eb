# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The image store of a boot server, seen from one host. Whoever sends this says before it where and whose: FLOTILLA_STORE,
# FLOTILLA_HOST and FLOTILLA_RESET are set.
#
#   sets/DIGEST/          an image set: manifest, the files that it names, boot.ipxe and boot.cmdline; never changed
#   hosts/NAME/current    what the host boots: a link to a set, swapped in one rename
#   hosts/NAME/previous   what it booted before; next: what is staged for it
#   hosts/NAME/channel, keys.asc, guard/
own=$FLOTILLA_STORE/hosts/$FLOTILLA_HOST
guard=$own/guard
unit=flotilla-guard-$FLOTILLA_HOST

digest_of() { # digest_of LINK: what it leads to, or nothing
  to=$(readlink "$own/$1" 2>/dev/null) && printf '%s' "${to##*/}"
}

flush() { sync "$@" 2>/dev/null || sync; }

point() { # point LINK DIGEST
  [ -f "$FLOTILLA_STORE/sets/$2/manifest" ] || { echo "the store has no image set $2" >&2; return 1; }
  mkdir -p "$own" && ln -sfn "../../sets/$2" "$own/$1.new" && mv -fT "$own/$1.new" "$own/$1" && flush "$own"
}

put() { # put FILE TEXT: whole or not at all
  mkdir -p "${1%/*}" && printf '%s' "$2" >"$1.new" && flush "$1.new" && mv -f "$1.new" "$1"
}

systemd_here() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

watching() { # whether the guard's deadline is being waited for
  if systemd_here; then
    [ "$(systemctl show -p ActiveState --value "$unit.timer" 2>/dev/null)" = active ]
  else
    pid=$(cat "$guard/pid" 2>/dev/null) && grep -q -- "$guard/guard.sh" "/proc/$pid/cmdline" 2>/dev/null
  fi
}

job_here() { # what of ours is going on for this host
  d=/run/flotilla/jobs/stage-$FLOTILLA_HOST
  [ ! -e "$d/rc" ] && pid=$(cat "$d/pid" 2>/dev/null) && grep -q -- "$d/run" "/proc/$pid/cmdline" 2>/dev/null &&
    cat "$d/what"
}

show() { # everything, for _parsers/boot_image.py
  case $FLOTILLA_RESET in '') reset='' ;; none) reset=none ;; *) reset=yes ;; esac
  printf 'name=%s\nreset=%s\nbusy=%s\n' "$FLOTILLA_HOST" "$reset" "$(job_here)"
  [ ! -s "$own/keys.asc" ] || printf 'keys=%s\n' "$(sha256sum <"$own/keys.asc" | cut -c 1-64)"
  [ ! -f "$own/channel" ] || sed 's/^/channel_/' "$own/channel"
  ! watching || echo watching=yes
  shown=''
  for link in current previous next; do
    found=$(digest_of $link)
    [ -n "$found" ] || continue
    printf '%s=%s\n' $link "$found"
    case $shown in *$found*) ;; *) shown="$shown $found" ;; esac
  done
  echo shown=all
  for found in $shown; do
    for file in manifest verified; do
      [ ! -f "$FLOTILLA_STORE/sets/$found/$file" ] || {
        printf '\n@@flotilla-file %s/%s\n' "$found" "$file"
        cat "$FLOTILLA_STORE/sets/$found/$file"
      }
    done
  done
}
