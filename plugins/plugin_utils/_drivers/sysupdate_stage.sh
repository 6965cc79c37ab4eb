# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs one version with systemd-sysupdate, locked: the boot loader is told to stay with what runs before anything is
# downloaded, and learns of the new version in `release`. While sysupdate makes room, the running version is protected,
# whatever the OS's own definitions say: the oldest goes first, and after a rollback that is the one that runs.
SYSUPDATE=/usr/lib/systemd/systemd-sysupdate
DEFINITIONS="/etc/sysupdate.d /run/sysupdate.d /usr/local/lib/sysupdate.d /usr/lib/sysupdate.d"

fail() { # fail KIND WORDS...: see `explain` in sysupdate.py
  echo "flotilla: $*"
  exit 1
}

definitions() { # the names of those that count, a line each
  for folder in $DEFINITIONS; do
    for file in "$folder"/*.transfer "$folder"/*.conf; do
      [ ! -e "$file" ] || printf '%s\n' "${file##*/}"
    done
  done | sort -u
}

definition() { # definition NAME: its file
  for folder in $DEFINITIONS; do
    [ ! -e "$folder/$1" ] || { printf '%s\n' "$folder/$1"; return 0; }
  done
  return 1
}

versions() { # versions JSON: newest first
  printf '%s\n' "$1" | sed -n 's/.*"all":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' '\n'
}

entry_resource() { # entry_resource JSON: that of a version's boot entry, of its contents
  printf '%s\n' "$1" | tr '{' '\n' | grep -E '"path":"[^"]*\.([eE][fF][iI]|conf)(\.(xz|gz|bz2|zst))?"' | tail -n 1
}

field() { # field NAME TEXT
  printf '%s\n' "$2" | grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4
}

resource_digest() { # resource_digest RESOURCE: as the manifest has it; of a local file, as it is
  sum=$(field sha256 "$1") path=$(field path "$1")
  case $path in /*) [ -n "$sum" ] || sum=$(sha256sum "$path" | cut -d ' ' -f 1) ;; esac
  [ -n "$sum" ] && printf '%s\n' "$sum"
}

image_version() { sed -n 's/^IMAGE_VERSION=//p' /etc/os-release | tr -d "\"'"; }

installed_file() { # installed_file VERSION: of its boot entry, where it is installed whole
  shown=$("$SYSUPDATE" --offline --json=short list "$1") || return 1
  case $shown in *'"installed":true'*) ;; *) return 1 ;; esac
  case $shown in *'"incomplete":true'*) return 1 ;; esac
  file=$(field path "$(entry_resource "$shown")")
  [ -f "$file" ] && printf '%s\n' "$file"
}

# What the channel offers: the newest version that it has, installed or not.
offer() {
  listed=$("$SYSUPDATE" --json=short list) || return 1
  printf '%s\n' "$listed"
  for version in $(versions "$listed"); do
    shown=$("$SYSUPDATE" --json=short list "$version") || return 1
    case $shown in
      *'"available":true'*)
        printf '%s\n' "$shown"
        path=$(field path "$(entry_resource "$shown")")
        case $path in /*) [ ! -f "$path" ] || sha256sum "$path" ;; esac
        return 0
        ;;
    esac
  done
}

protect() { # protect VERSION
  for name in $(definitions); do
    mkdir -p "/run/sysupdate.d/$name.d" &&
      printf '[Transfer]\nProtectVersion=%s\n' "$1" >"/run/sysupdate.d/$name.d/80-flotilla.conf" || return 1
  done
}

unprotect() {
  rm -f /run/sysupdate.d/*.d/80-flotilla.conf
  rmdir /run/sysupdate.d/*.d /run/sysupdate.d 2>/dev/null
}

known_line() { # known_line FILE DIGEST VERSION HOW
  echo "$(entry_id "$1") $(stat -c '%s %Y' "$1") $2 $3 $4"
}

remember() { # remember FILE DIGEST VERSION HOW: what is staged; and what runs, which is not read again then
  running=$(entry_file "$(booted_id)") && mkdir -p "$SYSUPDATE_STATE" || return 1
  id=$(entry_id "$1") own=$(entry_id "$running")
  {
    grep -v -e "^$id " "$SYSUPDATE_STATE/known" 2>/dev/null | while IFS= read -r line; do
      ! entry_file "${line%% *}" >/dev/null || printf '%s\n' "$line"
    done
    grep -q "^$own $(stat -c '%s %Y' "$running") " "$SYSUPDATE_STATE/known" 2>/dev/null ||
      known_line "$running" "$(sha256sum "$running" | cut -d ' ' -f 1)" "$(image_version)" unknown
    known_line "$@"
  } >"$SYSUPDATE_STATE/known.new" &&
    { sync "$SYSUPDATE_STATE/known.new" 2>/dev/null || sync; } &&
    mv -f "$SYSUPDATE_STATE/known.new" "$SYSUPDATE_STATE/known"
}

# It becomes the next boot by the boot loader's own order, which counts. An older version than another one that is good
# does not: it gets one boot, after which the boot loader is back at what runs now.
release() { # release ID
  bootctl set-default '' || return 1
  if [ "$(next_id)" != "$1" ]; then
    bootctl set-default "$(booted_id)" && : >"$SYSUPDATE_STATE/oneshot" && bootctl set-oneshot "$1" || return 1
  fi
  [ "$(next_id)" = "$1" ] && rm -f "$SYSUPDATE_STATE/staged" && sync
}

lock_again() { # lock_again ID
  make_default "$(booted_id)" && echo "$1" >"$SYSUPDATE_STATE/staged"
}

# sysupdate has no verb that removes a version: without its entry it cannot boot, and the next update repairs it.
unstage() { # unstage ID
  file=$(entry_file "$1") || return 1
  rm -f "$file" "$SYSUPDATE_STATE/staged" && sync && settle "$(booted_id)"
}

# wanted_version DIGEST LISTED: "VERSION SOURCE" of what is offered with this digest; else what is offered, and 1
wanted_version() {
  offered=
  for version in $(versions "$2"); do
    shown=$("$SYSUPDATE" --json=short list "$version" 2>/dev/null) || continue
    case $shown in *'"available":true'*) ;; *) continue ;; esac
    resource=$(entry_resource "$shown")
    sum=$(resource_digest "$resource") || continue
    [ "$sum" != "$1" ] || { echo "$version $(field path "$resource")"; return 0; }
    offered="$offered $version ($(printf '%.12s' "$sum"))"
  done
  echo "$offered"
  return 1
}

older() { # older VERSION LISTED: whether it comes behind the running version, newest first
  running=$(image_version) passed=
  for one in $(versions "$2"); do
    [ -z "$passed" ] || [ "$one" != "$1" ] || return 0
    [ "$one" != "$running" ] || passed=1
  done
  return 1
}

stage() { # stage DIGEST VERSION ALLOW_DOWNGRADE HOW: VERSION is known of what is installed already, and empty otherwise
  here=$(booted_id) || fail refused "systemd-boot did not boot this host, so that its next boot cannot be chosen"
  file=$(entry_file "$here") || fail refused "the file of the entry that runs ($here) is not there"
  [ -z "$(tries_left "$file")" ] ||
    fail refused "$here, which runs, is not marked good yet (systemd-bless-boot); its way back is not given up before"
  for name in $(definitions); do
    if grep -qs '^MatchPartitionType=root' "$(definition "$name")" && ! grep -q ' /etc ' /proc/self/mounts; then
      fail refused "$name replaces / and its /etc, with the guard's units: /etc must be a file system of its own"
    fi
  done
  version=$2 file='' source=''
  [ -z "$version" ] || file=$(installed_file "$version")
  if [ -n "$file" ]; then
    listed=$("$SYSUPDATE" --offline --json=short list) || fail update_failed
  else
    listed=$("$SYSUPDATE" --json=short list) || fail update_failed
    found=$(wanted_version "$1" "$listed") || fail not_offered "$found"
    version=${found%% *} source=${found#* }
  fi
  if [ "$3" != 1 ] && older "$version" "$listed"; then
    fail refused "$version is older than $(image_version), which runs; allow_downgrade"
  fi
  trap 'unprotect; [ -e "$SYSUPDATE_STATE/staged" ] || settle "$here"' EXIT
  make_default "$here" || fail refused "the boot loader cannot be told to stay with $here"
  rm -f "$SYSUPDATE_STATE/staged"
  if [ -z "$file" ]; then
    protect "$(image_version)" || fail refused "the running version cannot be protected while room is made"
    "$SYSUPDATE" update "$version" || fail update_failed
    file=$(installed_file "$version") || fail took_nothing "$version"
    case $source in
      *.[eE][fF][iI] | *.conf)
        [ "$(sha256sum "$file" | cut -d ' ' -f 1)" = "$1" ] || { rm -f "$file"; fail other_content "$version"; }
        ;;
    esac
  fi
  id=$(entry_id "$file")
  # It was given up once, and is asked for again.
  if [ "$(tries_left "$file")" = 0 ]; then
    recount "$id" 3 || fail refused "$file cannot be given new tries"
    file=$(entry_file "$id")
  fi
  if ! remember "$file" "$1" "$version" "$4" || ! echo "$id" >"$SYSUPDATE_STATE/staged" || ! sync; then
    fail refused "the record of what is staged cannot be written"
  fi
  [ "$(next_id)" = "$here" ] || { rm -f "$SYSUPDATE_STATE/staged"; fail refused "the boot loader does not stay with $here"; }
}
