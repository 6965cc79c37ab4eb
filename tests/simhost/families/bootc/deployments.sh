# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The deployments of a simulated host of bootc. $ORDER: their ids in boot order; $KNOWN/ID: what the tool knows of each;
# /run/ostree/staged-deployment: the tool's own record of what is staged; simhost-staged and simhost-locked beside it: its
# id, and that it is only downloaded.
DEPLOY=/ostree/deploy/default/deploy
KNOWN=/ostree/simhost/deployments
ORDER=/ostree/simhost/order

known() { sed -n "s/^$2=//p" "$KNOWN/$1" 2>/dev/null; }

staged() { cat /run/ostree/simhost-staged 2>/dev/null || :; }

booted() { # by the root directory, as ostree itself finds it
  # shellcheck disable=SC2013
  for one in $(cat "$ORDER"); do
    [ "$(stat -c %d:%i "$DEPLOY/$one")" != "$(stat -c %d:%i /)" ] || echo "$one"
  done
}

rollback() { grep -vxF "$(booted)" "$ORDER" | head -n 1; }

queued() { [ -n "$(rollback)" ] && [ "$(head -n 1 "$ORDER")" = "$(rollback)" ]; }

write_order() { # what is not in it any more is dropped
  printf '%s\n' "$@" >"$ORDER"
  for one in "$DEPLOY"/*.[0-9]*; do
    one=${one##*/}
    grep -qxF "$one" "$ORDER" || [ "$one" = "$(staged)" ] || rm -rf "${DEPLOY:?}/$one" "${KNOWN:?}/$one"
  done
}

# stage DIGEST CHECKSUM VERSION QUALITY REFERENCE SIGNATURE
stage() {
  serial=0
  while [ -e "$DEPLOY/$2.$serial" ] && [ "$(staged)" != "$2.$serial" ]; do serial=$((serial + 1)); done
  unstage
  mkdir -p "$DEPLOY/$2.$serial" /run/ostree
  printf 'digest=%s\nchecksum=%s\nversion=%s\nquality=%s\nreference=%s\nsignature=%s\n' "$@" >"$KNOWN/$2.$serial"
  : >/run/ostree/staged-deployment
  echo "$2.$serial" >/run/ostree/simhost-staged
}

unstage() {
  id=$(staged)
  [ -z "$id" ] || rm -rf "${DEPLOY:?}/$id" "${KNOWN:?}/$id"
  rm -f /run/ostree/staged-deployment /run/ostree/simhost-staged /run/ostree/simhost-locked
}
