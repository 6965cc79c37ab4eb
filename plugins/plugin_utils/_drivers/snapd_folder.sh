# shellcheck shell=sh disable=SC2034,SC2154 # what the parts before it set is used here, what it sets by those after it
# SPDX-License-Identifier: GPL-3.0-or-later
# A channel that is a folder, SOURCE/NAME: SHA256SUMS, and the files that it names. $SETS/folder says SOURCE NAME
# VERIFICATION. With `sign` the files are called as `snap download` calls them, NAME_REVISION.snap and .assert; with `none`
# NAME_VERSION.snap or NAME_VERSION_ARCHITECTURE.snap, as snapcraft does.

get_url() { # get_url URL: to stdout
  case $1 in
    file://*) cat "${1#file://}" ;;
    *)
      if command -v curl >/dev/null; then
        curl -fsSL --connect-timeout 20 "$1"
      else
        wget -q -O - "$1"
      fi
      ;;
  esac
}

in_folder() { # in_folder FILE: its URL
  read -r source channel how <"$SETS/folder" && printf '%s/%s/%s\n' "${source%/}" "$channel" "$1"
}

folder_sums() { get_url "$(in_folder SHA256SUMS)"; }

sum_of() { sha256sum <"$1" | cut -c 1-64; }

pick() { # pick PATTERN: sets sum, file, and label, which is the pattern's group; of the one file that matches
  found=$(printf '%s\n' "$sums" | sed -nE "s#^([0-9a-f]{64}) [ *](\./)?($1)\$#\1 \3 \4#p")
  [ "$(printf '%s\n' "$found" | grep -c .)" = 1 ] || return 1
  sum=${found%% *} label=${found##* } file=${found#* }
  file=${file% *}
}

next_local() { # next_local NAME: the revision that snapd gives to the next local file
  last=0
  for kept in "$SNAPS/$1"_x*.snap; do
    number=${kept##*_x}
    number=${number%.snap}
    case $number in '' | *[!0-9]*) continue ;; esac
    [ "$number" -le "$last" ] || last=$number
  done
  echo "x$((last + 1))"
}

from_folder() { # from_folder RUNNING: sets wanted, identity (what the digest is of), version and told
  sums=$(folder_sums 2>&1) || fail "no_answer ${sums:-"SHA256SUMS did not come (exit code $?)"}"
  how=$(cut -d ' ' -f 3 "$SETS/folder") wanted='' identity='' version=''
  for member in $(echo "$1" | tr + ' '); do
    name=${member%_*} revision=${member##*_}
    pick "${name}_([^_/ ]+)(_[^/ ]*)?\.snap" || fail "failed SHA256SUMS names no file of $name, or several"
    version="$version ${name}_$label" is=$label
    if [ "$how" = sign ]; then
      case $label in 0* | *[!0-9]*) fail "failed $file has no revision, and verification is sign" ;; esac
      revision=$label
    else
      is=$sum
      case $revision in
        x*) [ "$(sum_of "$SNAPS/$member.snap")" = "$sum" ] || revision=$(next_local "$name") ;;
        *) revision=$(next_local "$name") ;;
      esac
    fi
    wanted=$wanted+${name}_$revision identity=$identity+${name}_$is
  done
  wanted=${wanted#+} identity=${identity#+} version=${version# } told=$version
}

bring() { # bring AS: the file that was picked
  said=$(get_url "$(in_folder "$file")" 2>&1 >"$STAGED.new/$1") || fail "download ${said:-"$file did not come (exit code $?)"}"
  [ "$(sum_of "$STAGED.new/$1")" = "$sum" ] || fail "failed $file is not what SHA256SUMS says that it is"
}

fetch_from_folder() { # fetch_from_folder MEMBER: the snap, and what proves it
  if [ "$how" != sign ]; then
    pick "${1%_*}_([^_/ ]+)(_[^/ ]*)?\.snap"
    bring "$1.snap"
    echo "$sum  $1.snap" >>"$STAGED.new/sums"
    return
  fi
  for suffix in snap assert; do
    pick "$1(\.$suffix)" || fail "failed SHA256SUMS does not name $1.$suffix"
    bring "$1.$suffix"
  done
  grep -qx "snap-revision: ${1##*_}" "$STAGED.new/$1.assert" || fail "failed $1.assert is not that of $1"
  # snapd takes an assertion only with a signature that it trusts.
  said=$(snap ack "$STAGED.new/$1.assert" 2>&1) || fail "ack $said"
}
