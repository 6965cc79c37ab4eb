#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything that the Makefile's commands need, on a Debian machine, as root. Safe to run again: what is there is left.
set -eu
cd "$(dirname "$0")/../.."
unset PYTHONDONTWRITEBYTECODE # it doubles the start of every ansible command

say() { printf '==> %s\n' "$*"; }

missing=
for package in busybox curl fish git iproute2 locales make openssh-client openssh-server postgresql procps python3 python3-venv shellcheck sudo tcsh util-linux wget; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  say "installing Debian packages:$missing"
  apt-get -o DPkg::Lock::Timeout=600 update -q >/dev/null
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends $missing >/dev/null
fi

python=
for candidate in python3.11 python3.12 python3.13 python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || { say "cannot set up: no Python 3.11 or later with venv on this machine"; exit 1; }

wanted=$(cat requirements.txt requirements-dev.txt | sha256sum | cut -d ' ' -f 1)
if [ "$(cat .venv/stamp 2>/dev/null)" != "$wanted" ]; then
  say "making .venv with $("$python" --version) (about a minute)"
  rm -rf .venv
  "$python" -m venv .venv
  .venv/bin/pip install -q --disable-pip-version-check -r requirements-dev.txt 2>&1 | grep -v '^WARNING: Location' || :
  .venv/bin/ansible --version >/dev/null
  echo "$wanted" >.venv/stamp
fi
