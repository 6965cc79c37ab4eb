# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Stages one update: transactional-update makes a snapshot of it, which the tool makes the next boot. It is looked at, and
# then the snapshot that runs is made the next boot again: what is staged is booted by deployment_boot, under the guard.
STAGED=$FLOTILLA/staged

fail() { # fail WORDS...: the first word is for `explain` in transactional_update.py
  echo "flotilla: $*"
  exit 1
}

write_record() { # write_record FILE: from stdin
  mkdir -p "$FLOTILLA" && cat >"$1.new" && { sync "$1.new" 2>/dev/null || sync; } && mv -f "$1.new" "$1"
}

remember() { # remember SNAPSHOT DIGEST
  key=$(database_key "$1") || return 0
  { grep -v "^$key " "$FLOTILLA/digests" 2>/dev/null | tail -n 30; echo "$key $2"; } | write_record "$FLOTILLA/digests"
}

# The tool's words for "reboot now", for those who look: nothing is to be booted.
nothing_pending() { rm -f /run/reboot-needed /run/reboot-required; }

discard() { # discard SNAPSHOT: of ours. snapper ends with 0 also where it does not delete it.
  by_snapper delete "$1" >/dev/null 2>&1 || :
}

unstage() { # unstage NUMBER: nothing but what runs boots next
  running=$(booted_id) && make_default "$running" || return 1
  ours=$(cat "$STAGED" 2>/dev/null)
  rm -f "$STAGED" "$STAGED.released"
  nothing_pending
  [ "$ours" != "$1" ] || discard "$1"
}

# Not staged any more, from before it boots: whatever comes of it, no later look takes it for new.
release() { # release NUMBER
  [ "$(cat "$STAGED" 2>/dev/null)" = "$1" ] || return 1
  mv -f "$STAGED" "$STAGED.released" && make_default "$1"
}

lock_again() {
  running=$(booted_id) && make_default "$running" && mv -f "$STAGED.released" "$STAGED"
}

go_back() { # go_back NUMBER: by the OS's own tool, which also takes care of the registration
  rm -f "$STAGED" "$STAGED.released"
  [ "$(default_id)" = "$1" ] || transactional-update rollback "$1" || return 1
  [ "$(default_id)" = "$1" ]
}

stage() { # stage DIGEST ALLOW_DOWNGRADE
  running=$(booted_id)
  [ -n "$running" ] || fail "failed what runs is no snapshot"
  before=$(default_id)
  here=$(digest_of "$running") || fail "failed the packages that run cannot be read"
  offered=$(offer 2>&1) || fail "no_answer $(printf '%s' "$offered" | tr '\n' ' ')"
  [ "$(printf '%s\n' "$offered" | sed -n 's/^digest //p')" = "$1" ] ||
    fail "not_offered $(printf '%s' "$offered" | tr '\n' ' ')"
  version=$(printf '%s\n' "$offered" | sed -n 's/^version //p')
  runs=$(version_of "$running")
  if [ "$2" != 1 ] && [ "$version" != "$runs" ] && [ "$(zypper --terse versioncmp "$version" "$runs")" = -1 ]; then
    fail "refused $version is older than $runs, which runs; allow_downgrade"
  fi
  method=$(update_method) || fail "failed the update method is not known"
  # The one of an earlier call is replaced.
  old=$(cat "$STAGED" 2>/dev/null)
  transactional-update --no-selfupdate --non-interactive "$method"
  rc=$?
  made=$(default_id)
  if [ $rc -ne 0 ] || [ -z "$made" ] || [ "$made" = "$before" ] || [ "$made" = "$running" ]; then
    fail "tool_failed transactional-update exited with $rc and made no new snapshot"
  fi
  found=$(digest_of "$made") || found=unknown
  make_default "$running" || fail "failed the running snapshot cannot be made the next boot again; #$made is"
  nothing_pending
  if [ "$found" != "$1" ]; then
    discard "$made"
    fail "refused the repositories offered this, and transactional-update made something else of it: $found"
  fi
  if ! remember "$running" "$here" || ! remember "$made" "$found" || ! echo "$made" | write_record "$STAGED"; then
    fail "failed the record of snapshot #$made cannot be written"
  fi
  [ -z "$old" ] || [ "$old" = "$made" ] || [ "$old" = "$running" ] || discard "$old"
  echo "staged snapshot #$made"
}
