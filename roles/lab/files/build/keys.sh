#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# keys.sh: two throw-away signing keys: "lab" is trusted by the image, "stranger" is not
set -eu
: "${LAB_WORK:?}"
exec 9>&- # gpg leaves an agent behind, which must not keep the lock
keys=$LAB_WORK/keys
rm -rf "$keys"
mkdir -p "$keys"
for name in lab stranger; do
  # A short path: gpg-agent's sockets live here and their names are limited.
  GNUPGHOME=$(mktemp -d /tmp/lab-gpg.XXXXXX)
  export GNUPGHOME
  gpg --batch --quiet --pinentry-mode loopback --passphrase '' \
    --quick-generate-key "Flotilla $name <$name@lab.invalid>" rsa3072 sign never 2>/dev/null
  gpg --batch --armor --export >"$keys/$name.asc"
  gpg --batch --list-keys --with-colons 2>/dev/null | sed -n 's/^fpr:*\([0-9A-F]*\):*$/\1/p' | head -n 1 >"$keys/$name.id"
  gpgconf --kill all
  rm -f "$GNUPGHOME"/S.* "$GNUPGHOME"/*~
  mv "$GNUPGHOME" "$keys/$name"
done
