# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Stages one bundle with `rauc install`, which verifies it and writes it into the slot that does not run. RAUC makes that
# slot the next boot; here it is put behind the running one again: it is booted by deployment_boot, under the guard.

CHANNEL=/var/lib/flotilla/rauc/channel

fail() { # fail WORDS...: see `explain` in rauc.py
  echo "flotilla: $*"
  exit 1
}

bundle() { # where the bundle of the channel is
  source=$(sed -n 's/^source=//p' "$CHANNEL" 2>/dev/null) name=$(sed -n 's/^name=//p' "$CHANNEL" 2>/dev/null)
  [ -n "$source" ] && [ -n "$name" ] || return 1
  case $source in file://*) source=${source#file://} ;; esac
  echo "${source%/}/$name.raucb"
}

# The class of the slots that are booted, then what RAUC says of the bundle once it has verified it.
ask() {
  bundle=$(bundle) || { echo "no channel is set" >&2; return 1; }
  class=$(boot_slots | head -n 1 | cut -d ' ' -f 2)
  echo "${class%.*}"
  rauc info --output-format=json "$bundle"
}

word() { sed -n "s/.*[{,]\"$1\":\"\([^\"]*\)\".*/\1/p"; } # word KEY: of the answer on stdin

older() { # older A B: whether version A comes before version B; what are no numbers is not compared
  case $1/$2 in [0-9]*/[0-9]*) ;; *) return 1 ;; esac
  [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | tr '_+~-' '....' |
    sort -t . -k 1,1n -k 2,2n -k 3,3n -k 4,4n -k 5,5n | head -n 1)" = "$(printf %s "$1" | tr '_+~-' '....')" ]
}

installed_version() { # installed_version BOOTNAME: of the bundle, if RAUC has written the slot
  ini "$(status_file)" "slot.$(slot_of "$1")" 'bundle\.version'
}

os_version() { os_release | sed -n 's/^VERSION_ID=//p' | head -n 1 | tr -d "\"'"; }

note() { # note FILE TEXT: durable before it is visible
  mkdir -p "${1%/*}" && printf '%s\n' "$2" >"$1.new" && { sync "$1.new" 2>/dev/null || sync; } && mv -f "$1.new" "$1"
}

# The one that runs is what comes next again, and what is in the others boots no more.
unstage() {
  here=$(running_slot) && activate "$here" || return 1
  held=$(cat "$STAGED" 2>/dev/null)
  for name in "$@"; do [ "$name" = "$here" ] || mark bad "$name" || return 1; done
  [ -z "$held" ] || rm -f "$STAGED"
}

stage() { # stage DIGEST ALLOW_DOWNGRADE
  reason=$(unfit)
  [ -z "$reason" ] || fail "refused $reason"
  here=$(running_slot) || fail "failed the running slot is not known"
  bundle=$(bundle) || fail "refused no channel is set"
  answer=$(ask) || fail no_answer
  class=$(printf '%s\n' "$answer" | head -n 1)
  version=$(printf '%s' "$answer" | word version)
  hash=$(printf '%s' "$answer" | word hash)
  [ -n "$hash" ] || hash=$(printf '%s' "$answer" | sed -n "s/.*{\"$class\":{[^}]*\"checksum\":\"\([0-9a-f]*\)\".*/\1/p")
  [ "$hash" = "$1" ] || fail "not_offered $version ($hash)"
  runs=$(installed_version "$here")
  if [ "$2" != 1 ] && older "$version" "$runs"; then
    fail "refused $version is older than $runs, which runs; allow_downgrade"
  fi
  # The way back is remembered by what it is now, if RAUC has no record of it.
  if [ -z "$runs" ]; then
    note "$FACTORY" "$here $(slot_digest "$here") $(os_version)" || fail "failed the record of the slot cannot be written"
  fi
  others=$(boot_slots | cut -d ' ' -f 1 | grep -vxF "$here")
  before=$(for name in $others; do slot_id "$name"; done)
  rm -f "$STAGED"
  rauc install "$bundle"
  rc=$?
  activate "$here" || fail "failed the slot that runs cannot be made the next boot again"
  [ $rc = 0 ] || fail "install_failed $rc"
  there=
  for name in $others; do
    id=$(slot_id "$name")
    if [ "${id#*.}" = "$1" ]; then
      there=$name
    elif ! echo "$before" | grep -qxF "$id"; then
      mark bad "$name"
      fail "refused the bundle changed on its way: ${id:-nothing that is known} was installed"
    fi
  done
  [ -n "$there" ] || fail "install_failed it was installed, says RAUC, and it is in no slot"
  bootable "$there" || fail "failed the boot loader does not take slot $there"
  note "$STAGED" "$there.$1" || fail "failed the record of what is staged cannot be written"
}
