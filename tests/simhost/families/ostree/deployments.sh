# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The deployments of a simulated OSTree host. ORDER: their ids in boot order; $KNOWN/ID: what the tool knows of each;
# /run/ostree/staged-deployment: the tool's own record of what is staged, and simhost-staged beside it its id.
DEPLOY=/ostree/deploy/lab/deploy
KNOWN=/ostree/simhost/deployments
ORDER=/ostree/simhost/order

known() { sed -n "s/^$2=//p" "$KNOWN/$1" 2>/dev/null; }

staged() { cat /run/ostree/simhost-staged 2>/dev/null || :; }

booted() { # by the root directory, as ostree itself finds it
  while read -r one; do
    [ "$(stat -c %d:%i "$DEPLOY/$one")" != "$(stat -c %d:%i /)" ] || echo "$one"
  done <"$ORDER"
}

all() { staged; cat "$ORDER"; }

# Entries of the boot loader are numbered from the last one up: the highest version boots.
write_order() {
  printf '%s\n' "$@" >"$ORDER"
  rm -rf /boot/loader/entries "$KNOWN.kept"
  mkdir -p /boot/loader/entries "$KNOWN.kept"
  number=$#
  for one; do
    commit=${one%.*}
    printf 'title Flotilla Lab OS %s (ostree:%s)\nversion %s\noptions %s ostree=/ostree/boot.1/lab/%s/0\nlinux /ostree/lab-%s/vmlinuz\n' \
      "$(known "$one" version)" "$(($# - number))" "$number" "$(known "$one" kargs)" "$commit" "$commit" \
      >"/boot/loader/entries/ostree-$number.conf"
    mv "$KNOWN/$one" "$KNOWN.kept/$one"
    number=$((number - 1))
  done
  rm -rf "$KNOWN"
  mv "$KNOWN.kept" "$KNOWN"
  for one in "$DEPLOY"/*.[0-9]*; do
    [ ! -d "$one" ] || grep -qxF "${one##*/}" "$ORDER" || rm -rf "$one" "$one.origin"
  done
}

# stage COMMIT VERSION REFSPEC DATE QUALITY KARGS
stage() {
  serial=0
  while [ -e "$DEPLOY/$1.$serial" ] && [ "$(staged)" != "$1.$serial" ]; do serial=$((serial + 1)); done
  unstage
  mkdir -p "$DEPLOY/$1.$serial"
  for one in /*; do
    case $one in
      /usr | /etc | /proc | /sys | /dev | /run | /tmp | /boot | /var | /sysroot | /bin | /sbin | /lib | /lib64 | /ostree) ;;
      *) cp -a "$one" "${DEPLOY:?}/$1.$serial/" ;;
    esac
  done
  printf 'commit=%s\nversion=%s\nrefspec=%s\ndate=%s\nquality=%s\nkargs=%s\n' "$@" >"$KNOWN/$1.$serial"
  printf '[origin]\nrefspec=%s\n' "$3" >"$DEPLOY/$1.$serial.origin"
  # shellcheck disable=SC2086
  staged_record $6 >/run/ostree/staged-deployment
  echo "$1.$serial" >/run/ostree/simhost-staged
}

unstage() {
  id=$(staged)
  [ -z "$id" ] || rm -rf "${DEPLOY:?}/$id" "$DEPLOY/$id.origin" "${KNOWN:?}/$id"
  rm -f /run/ostree/staged-deployment /run/ostree/simhost-staged
}

# The record is a GVariant of type a{sv}; in it the kernel arguments as `as`, as in the recording
# staged-deployment-kargs.od.txt. Framing offsets: GVariant specification, section 2.5.
staged_record() {
  ends='' length=0
  for one; do
    length=$((length + ${#one} + 1))
    ends="$ends $length"
  done
  width=1
  [ $((length + $#)) -le 255 ] || width=2
  # Key with its padding, strings, their ends, the type; then the end of the key, and the end of the only element.
  entry=$((8 + length + $# * width + 3))
  wide=1
  [ $((entry + 1)) -le 255 ] || wide=2
  entry=$((entry + wide))
  printf 'kargs\0\0\0'
  [ $# = 0 ] || printf '%s\0' "$@"
  for end in $ends; do bytes $width "$end"; done
  printf '\0as'
  bytes $wide 6
  if [ $((entry + 1)) -le 255 ]; then bytes 1 $entry; else bytes 2 $entry; fi
}

bytes() { # bytes WIDTH NUMBER: little-endian
  # shellcheck disable=SC2059
  printf "\\$(printf %03o $(($2 % 256)))"
  # shellcheck disable=SC2059
  [ "$1" = 1 ] || printf "\\$(printf %03o $(($2 / 256)))"
}
