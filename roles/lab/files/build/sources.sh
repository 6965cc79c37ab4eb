#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sources.sh: print the apt sources of the lab OS.
#
# The archive is the one the controller itself uses, unless LAB_MIRROR (and
# LAB_SECURITY_MIRROR) name another.
set -eu
: "${LAB_SUITE:?}"

configured() { # configured NAME: the first configured archive whose address ends in /NAME
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -v '^[[:space:]]*#' | grep -E '^(deb|URIs:)' | tr '[:blank:]' '\n' | grep -E "^https?://.*/$1/?\$" | head -n 1
}

main=${LAB_MIRROR:-$(configured debian)}
security=${LAB_SECURITY_MIRROR:-$(configured debian-security)}
if [ -z "$main" ]; then
  echo "lab: no Debian archive in the apt sources of this machine: set lab_mirror" >&2
  exit 1
fi
options='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
echo "deb $options $main $LAB_SUITE main"
echo "deb $options $main $LAB_SUITE-updates main"
[ -z "$security" ] || echo "deb $options $security $LAB_SUITE-security main"
