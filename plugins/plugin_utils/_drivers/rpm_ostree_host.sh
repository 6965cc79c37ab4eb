# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What runs on the host for the rpm_ostree driver, below ostree_guard.sh (booted_id). First versions of options:
# rpm-ostree's release notes and src/app/rpmostree-builtin-*.cxx.

at_least() { # at_least YEAR RELEASE: is rpm-ostree that new?
  version=$(rpm-ostree --version | sed -n 's/^[^0-9]*\(20[0-9][0-9]\.[0-9][0-9]*\).*/\1/p' | head -n 1)
  [ -n "$version" ] || { echo "rpm-ostree does not say its version" >&2; return 1; }
  [ "${version%.*}" -gt "$1" ] || { [ "${version%.*}" -eq "$1" ] && [ "${version#*.}" -ge "$2" ]; }
}

# Locked: only deployment_boot, with its guard armed, makes the next shutdown activate it.
lock() { ! at_least 2019 4 || echo --lock-finalization; }

origin_file() {
  for file in /ostree/deploy/*/deploy/"$(booted_id)".origin; do
    [ ! -f "$file" ] || { echo "$file"; return 0; }
  done
  echo "the booted deployment has no origin" >&2
  return 1
}

# "remote:branch" or an image reference, whichever is followed.
origin() {
  file=$(origin_file) && sed -n 's/^\(refspec\|baserefspec\|container-image-reference\)=//p' "$file" | head -n 1
}

# TRANSPORT:NAME, as skopeo takes it.
image_location() { # image_location REFERENCE
  name=${1#*:}
  case $1 in ostree-remote-*) name=${name#*:} ;; esac
  case $1 in
    ostree-*-registry:*) name=docker://$name ;;
  esac
  case $name in
    registry:*) name=docker://${name#registry:} ;;
    docker://*) ;;
    docker:*) name=docker://${name#docker:} ;;
  esac
  echo "$name"
}

# What the channel offers: `commit=` and `version=` for a branch; for an image see parse_offer in ostree_image.py.
offer() {
  followed=$(origin) || return 1
  case $followed in
    ostree-*) offer_image "$(image_location "$followed")" ;;
    *:*)
      # As `rpm-ostree upgrade --check` does it, which is not reliable itself (coreos/rpm-ostree issues 382, 1579): the
      # newest commit's metadata, verified, and nothing else is fetched.
      ostree pull --commit-metadata-only "${followed%%:*}" "${followed#*:}" >/dev/null || return 1
      echo "commit=$(ostree rev-parse "$followed")" || return 1
      echo "version=$(ostree show --print-metadata-key=version "$followed" 2>/dev/null)"
      ;;
    *)
      echo "the booted deployment follows no remote" >&2
      return 1
      ;;
  esac
}

offer_image() { # offer_image LOCATION
  auth=
  for file in /usr/lib/ostree/auth.json /etc/ostree/auth.json /run/ostree/auth.json; do
    [ ! -f "$file" ] || auth=--authfile=$file
  done
  raw=$(mktemp) || return 1
  # A digest is that of the bytes as they come; a shell variable would lose their last line's end.
  # shellcheck disable=SC2086
  if skopeo inspect $auth --raw "$1" >"$raw"; then
    printf 'machine=%s\nsha256=%s\n\nmanifest:\n' "$(uname -m)" "$(sha256sum <"$raw" | cut -c 1-64)"
    cat "$raw"
    printf '\nimage:\n'
    skopeo inspect $auth --no-tags "$1"
  else
    false
  fi
  rc=$?
  rm -f "$raw"
  return "$rc"
}

# Tools before 2019.6 deploy an older commit without a word.
not_older() { # not_older RUNNING COMMIT
  dates=$(for commit in "$1" "$2"; do ostree show "$commit" | sed -n 's/^Date: *//p' | head -n 1; done)
  [ "$(printf '%s\n' "$dates" | sort | tail -n 1)" = "$(printf '%s\n' "$dates" | tail -n 1)" ] ||
    { echo "error: commit $2 is older than $1, which runs"; return 1; }
}

stage_commit() { # stage_commit REMOTE BRANCH COMMIT RUNNING ALLOW_DOWNGRADE
  older=
  if [ "$5" = no ]; then
    if at_least 2019 6; then
      older=--disallow-downgrade
    else
      ostree pull --commit-metadata-only "$1" "$2@$3" >/dev/null && not_older "$4" "$3" || return 1
    fi
  fi
  # shellcheck disable=SC2046,SC2086
  rpm-ostree deploy $(lock) $older "revision=$3" && return 0
  rc=$?
  # What is trusted is told where the reason is: in the log of the failure.
  echo 'trusted keys:'
  ostree remote gpg-list-keys "$1" 2>/dev/null | sed -n 's/^ *Key: *//p'
  return "$rc"
}

stage_image() { # stage_image DIGEST ALLOW_DOWNGRADE
  if at_least 2025 7; then
    older=
    [ "$2" = yes ] || older=--disallow-downgrade
    # shellcheck disable=SC2046,SC2086
    rpm-ostree deploy $(lock) $older "$1" && return 0
  else
    # These know no digest beside the tag that is followed: what the tag offers is staged, and kept if that is it.
    older=
    [ "$2" = no ] || older=--allow-downgrade
    # shellcheck disable=SC2046,SC2086
    if rpm-ostree upgrade $(lock) $older; then
      staged=$(rpm-ostree status --json | tr ',' '\n' |
        sed -n 's/.*"container-image-reference-digest" *: *"\([^"]*\)".*/\1/p' | head -n 1)
      [ "$staged" != "$1" ] || return 0
      echo "error: the image's tag offers ${staged:-an image without a digest}, not $1"
      rpm-ostree cleanup -p
    fi
  fi
  rc=$?
  echo 'containers policy:'
  tr -s ' \t\n' ' ' </etc/containers/policy.json | head -c 6000
  return "$((rc ? rc : 1))"
}

# Locks are a file, or since ostree 2023.8 a word in the record of the staged deployment.
release() { # release ID
  first=$(ostree admin status | sed -n 's/^[* ]*[^ ]* \([0-9a-f]\{64\}\.[0-9]*\).*/\1/p' | head -n 1)
  if [ "$first" != "$1" ] || [ ! -e /run/ostree/staged-deployment ]; then
    echo "$1 is not what is staged" >&2
    return 1
  fi
  if [ -e /run/ostree/staged-deployment-locked ] || ostree admin status | grep -q '(finalization locked)'; then
    mkdir -p /run/flotilla && : >/run/flotilla/released || return 1
  fi
  rm -f /run/ostree/staged-deployment-locked
  ! ostree admin status | grep -q '(finalization locked)' || ostree admin lock-finalization --unlock || return 1
  ! ostree admin status | grep -q '(finalization locked)'
}

# As `ostree admin set-origin`, which knows neither images nor the origin of a host with layered packages.
follow() { # follow KEY REFERENCE
  file=$(origin_file) || return 1
  key=$1
  ! grep -q '^baserefspec=' "$file" || key=baserefspec
  sed -e '/^override-commit=/d' -e "s|^\(refspec\|baserefspec\|container-image-reference\)=.*|$key=$2|" "$file" \
    >/run/flotilla-origin || return 1
  grep -qxF "$key=$2" /run/flotilla-origin || { echo "cannot read $file" >&2; return 1; }
  # /sysroot is mounted read-only for everybody but the tools, which see it in a name space of their own.
  # shellcheck disable=SC2016
  unshare -m sh -c 'mount -o remount,rw /sysroot 2>/dev/null; cp /run/flotilla-origin "$1.new" &&
    mv -f "$1.new" "$1" && touch /ostree/deploy && sync' sh "$file" || return 1
  rm -f /run/flotilla-origin
  rpm-ostree reload
}
