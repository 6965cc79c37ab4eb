# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Ubuntu Core has no way to refresh its own snaps up to the reboot and no further. So staging is to have their files, and
# the assertions that prove them, on the host; snapd hears of them when they are activated. What is staged: `set`, its
# `version` for people, the files, and of those without assertions the `sums`.
STAGED=$SETS/staged

fail() { # fail WORDS...: the last word is for people; see `explain` in snapd.py
  echo "flotilla: $*"
  exit 1
}

# "NAME REVISION" of what a refresh would take. The columns differ by version; their names do not.
offers() {
  listed=$(snap refresh --list) || return 1
  printf '%s\n' "$listed" | awk '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "Rev") column = i; if (NF && (!column || $1 != "Name")) exit 1; next }
    { if ($column !~ /^x?[0-9]+$/) exit 1; print $1, $column }'
}

from_store() { # from_store RUNNING: sets wanted, identity (what the digest is of), version and told
  offered=$(offers 2>&1) || fail "no_answer $offered"
  wanted=$(
    for member in $(echo "$1" | tr + ' '); do
      new=$(printf '%s\n' "$offered" | sed -n "s/^${member%_*} //p")
      echo "${member%_*}_${new:-${member##*_}}"
    done | a_set
  )
  identity=$wanted version=$(echo "$wanted" | tr + ' ') told=$wanted
}

unstage() { rm -rf "$STAGED" "$STAGED.new" "$STAGED.gone"; }

is_older() { # is_older NEW OLD: revisions of the store; others cannot be compared
  case $1$2 in *x*) return 1 ;; esac
  [ "$1" -lt "$2" ]
}

fetch_from_store() { # fetch_from_store MEMBER: the snap and its assertions, verified by snap
  said=$(snap download "--revision=${1##*_}" "--target-directory=$STAGED.new" "${1%_*}" 2>&1) || fail "download $said"
  file=$STAGED.new/$1
  if [ ! -s "$file.snap" ] || ! grep -qx "snap-revision: ${1##*_}" "$file.assert" 2>/dev/null; then
    fail "failed snap download has not brought $1 with its assertions"
  fi
}

stage() { # stage DIGEST ALLOW_DOWNGRADE
  running=$(booted_id)
  if [ -z "$running" ] || [ "$running" != "$(next_id)" ]; then
    fail "failed a refresh waits for its reboot already"
  fi
  way=store changed=''
  [ ! -f "$SETS/folder" ] || way=folder
  "from_$way" "$running"
  [ "$(printf %s "$identity" | sha256sum | cut -d ' ' -f 1)" = "$1" ] || fail "not_offered $told"
  for member in $(echo "$wanted" | tr + ' '); do
    case +$running+ in *"+$member+"*) continue ;; esac
    old=${running##*"${member%_*}_"}
    old=${old%%+*}
    if [ "$2" != 1 ] && is_older "${member##*_}" "$old"; then
      fail "refused $member is older than revision $old, which runs; allow_downgrade"
    fi
    changed="$changed $member"
  done
  [ -n "$changed" ] || fail "failed nothing differs from what runs"
  rm -rf "$STAGED.new"
  (umask 077 && mkdir -p "$STAGED.new") || fail "failed $STAGED.new cannot be made"
  for member in $changed; do
    echo "downloading $member"
    "fetch_from_$way" "$member"
  done
  if ! echo "$wanted" >"$STAGED.new/set" || ! echo "$version" >"$STAGED.new/version" || ! sync; then fail "failed the disk cannot be written"; fi
  rm -rf "$STAGED.gone"
  [ ! -e "$STAGED" ] || mv "$STAGED" "$STAGED.gone"
  mv "$STAGED.new" "$STAGED" && rm -rf "$STAGED.gone"
}

# Local files get the revisions under which they were staged, and are what they were then.
still_local() {
  for staged in "$STAGED"/*.snap; do
    member=${staged##*/}
    member=${member%.snap}
    [ "$(next_local "${member%_*}")" = "${member##*_}" ] && continue
    echo "a local revision of ${member%_*} was installed meanwhile: stage it again" >&2
    return 1
  done
  (cd "$STAGED" && sha256sum -c sums >/dev/null)
}

# All in one change, all or nothing. snapd computes each file's hash anew, and refuses what no assertion knows.
activate() { # activate SET
  [ "$(cat "$STAGED/set" 2>/dev/null)" = "$1" ] || { echo "it is not staged any more" >&2; return 1; }
  running=$(booted_id) && next=$(next_id) || return 1
  [ "$running" = "$next" ] || { echo "a refresh waits for its reboot already: $next" >&2; return 1; }
  keep before "$running" || return 1
  if [ -f "$STAGED/sums" ]; then
    still_local && set -- "$1" --dangerous || return 1 # without assertions: the channel's verification is none
  else
    for proof in "$STAGED"/*.assert; do
      snap ack "$proof" >&2 || return 1
    done
  fi
  change=$(ask_snapd install --no-wait --transaction=all-snaps ${2:+"$2"} "$STAGED"/*.snap) || return 1
  keep change "$change" && arrives "$change" "$1" && keep activated "$1" && unstage
}

# Told in time, snapd undoes what waits for a reboot, and boots what ran before. When it is on its way down already, it
# cannot; then the guard stays armed (the caller's next command would take it away).
take_back() {
  if classic; then # nothing waits for a reboot there: it runs already
    make_default "$(cat "$SETS/before")" && rm -f "$SETS/activated"
    return
  fi
  snap abort "$(cat "$SETS/change")" >/dev/null 2>&1 && patiently 60 undone && rm -f "$SETS/activated"
}

undone() { [ "$(booted_id)" = "$(next_id)" ]; }
