# shellcheck shell=sh disable=SC2154 # own is set by boot_image_store.sh
# SPDX-License-Identifier: GPL-3.0-or-later
# An image set is fetched, verified and put into the store; what a host boots is not touched. After boot_image_store.sh.
# It may be killed at any line and run again: a set appears whole, by one rename, and the link to it after that.

die() { # die KIND WORD...
  echo "flotilla: $*"
  exit 1
}

fetch() { # fetch URL FILE
  case $1 in
    file://*) cp "${1#file://}" "$2" ;;
    *)
      if command -v curl >/dev/null; then
        curl -fsSL --connect-timeout 20 -o "$2" "$1"
      else
        wget -q -O "$2" "$1"
      fi
      ;;
  esac
}

sum_of() { sha256sum <"$1" | cut -c 1-64; }

ask() { # ask URL: the digest of what is offered there, and its manifest
  fresh=$FLOTILLA_STORE/offer-$FLOTILLA_HOST.$$
  trap 'rm -f "$fresh"' EXIT
  mkdir -p "$FLOTILLA_STORE" && fetch "$1/manifest" "$fresh" || exit 1
  [ -f "$fresh" ] || { echo "nothing came of $1/manifest" >&2; exit 1; }
  printf 'digest=%s\n' "$(sum_of "$fresh")"
  cat "$fresh"
}

# The trusted keys, out of their ASCII armour: gpgv takes only the bare form.
bare_keys() {
  tr -d '\r' <"$own/keys.asc" | sed -e '1,/^ *$/d' -e '/^=/,$d' -e '/^-----END/,$d' | base64 -d
}

verify() { # verify SET: its manifest's signature
  [ -s "$own/keys.asc" ] || die no_keys
  command -v gpgv >/dev/null || die no_gpgv
  bare_keys >"$work.keys" || die bad_keys
  # Its word for a good signature is asked for, not its exit code alone (GnuPG doc/DETAILS, VALIDSIG).
  gpgv --status-fd 1 --keyring "$work.keys" "$1/manifest.sig" "$1/manifest" >"$work.status" || die signature
  grep -q '^\[GNUPG:\] VALIDSIG ' "$work.status" || die signature
  rm -f "$work.keys" "$work.status"
}

well_formed() { # well_formed MANIFEST: the same rules as _parsers/boot_image.py
  ! grep -qvE '^(version [^ ].{0,99}|built [0-9]{1,12}|cmdline []A-Za-z0-9 ._,:;=/@%+~?&*()[-]*|(kernel|initrd|file) [0-9a-f]{64} [A-Za-z0-9][A-Za-z0-9._+-]*)$' "$1" &&
    [ "$(grep -c '^kernel ' "$1")" = 1 ] && [ "$(grep -c '^version ' "$1")" = 1 ] &&
    [ "$(grep -c '^built ' "$1")" = 1 ] && [ "$(grep -c '^cmdline ' "$1")" -le 1 ] &&
    ! grep -qE '^(kernel|initrd|file) [0-9a-f]+ (manifest.*|verified.*|boot\..*)$|^cmdline (.* )?(&&|flotilla\.image=.*)( |$)' "$1"
}

sums() { sed -nE 's/^(kernel|initrd|file) ([0-9a-f]{64}) (.*)$/\2  \3/p' "$1/manifest"; }

whole() { # whole SET: all files are there, and what they should be
  [ -f "$1/manifest" ] && [ -f "$1/boot.ipxe" ] && [ -f "$1/boot.cmdline" ] && (cd "$1" && sums . | sha256sum -c >/dev/null 2>&1)
}

built() { sed -n 's/^built //p' "$1/manifest" 2>/dev/null; }

# What a boot loader is given. The set is named in full, so that a swap between two files cannot mix two sets; and its
# digest goes to the kernel, so that the host can prove what it was booted from.
write_boot_files() { # write_boot_files SET DIGEST
  words="$(sed -n 's/^cmdline //p' "$1/manifest") flotilla.image=$2"
  printf '%s\n' "${words# }" >"$1/boot.cmdline"
  names=$(sed -nE 's/^initrd [0-9a-f]{64} (.*)$/\1/p' "$1/manifest")
  loaded=''
  for name in $names; do loaded="$loaded initrd=$name"; done
  {
    printf '#!ipxe\nkernel ../../../sets/%s/%s%s %s\n' "$2" \
      "$(sed -nE 's/^kernel [0-9a-f]{64} (.*)$/\1/p' "$1/manifest")" "$loaded" "${words# }"
    for name in $names; do printf 'initrd ../../../sets/%s/%s\n' "$2" "$name"; done
    echo boot
  } >"$1/boot.ipxe"
}

stage() { # stage DIGEST URL VERIFICATION ALLOW_DOWNGRADE RUNNING
  set=$FLOTILLA_STORE/sets/$1
  work=$FLOTILLA_STORE/work/$FLOTILLA_HOST
  rm -rf "$work" "$work.keys" "$work.status"
  mkdir -p "$work" "$FLOTILLA_STORE/sets" "$own" || die no_store
  # What is in the store already, for another host or from before, is not fetched again; all the same it is verified.
  if [ -f "$set/manifest" ]; then
    cp "$set/manifest" "$work/" || die no_store
    [ ! -f "$set/manifest.sig" ] || cp "$set/manifest.sig" "$work/" || die no_store
  else
    fetch "$2/manifest" "$work/manifest" || die fetch manifest
  fi
  [ -f "$work/manifest" ] || die fetch manifest
  found=$(sum_of "$work/manifest")
  [ "$found" = "$1" ] || die not_offered "$found"
  if [ "$3" = gpg ]; then
    [ -f "$work/manifest.sig" ] || fetch "$2/manifest.sig" "$work/manifest.sig" || die unsigned
    verify "$work"
  fi
  well_formed "$work/manifest" || die manifest
  older=$(built "$FLOTILLA_STORE/sets/$5")
  [ "$4" = 1 ] || [ -z "$older" ] || [ "$(built "$work")" -ge "$older" ] || die older
  if whole "$set"; then
    # A host that does not verify takes nothing from one that does.
    [ "$(cat "$set/verified" 2>/dev/null)" = gpg ] || { printf '%s\n' "$3" >"$set/verified.new" && mv -f "$set/verified.new" "$set/verified"; }
    [ -f "$set/manifest.sig" ] || [ ! -f "$work/manifest.sig" ] || cp "$work/manifest.sig" "$set/"
  else
    sums "$work" >"$work.sums"
    while read -r sum name; do
      echo "fetching $name"
      fetch "$2/$name" "$work/$name" || die fetch "$name"
      [ "$(sum_of "$work/$name" 2>/dev/null)" = "$sum" ] || die sum "$name"
    done <"$work.sums"
    write_boot_files "$work" "$1"
    printf '%s\n' "$3" >"$work/verified"
    if ! chmod -R u=rwX,go=rX "$work" || ! flush "$work"/*; then die no_store; fi
    [ ! -e "$set" ] || { rm -rf "$set.broken" && mv -fT "$set" "$set.broken"; } || die no_store
    # Another host's work may have put it there at this moment: then that one is good.
    mv -fT "$work" "$set" || whole "$set" || die no_store
    rm -rf "$set.broken"
  fi
  rm -rf "$work" "$work.sums"
  point next "$1" || die no_store
}
