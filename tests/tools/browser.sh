#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The report in a real browser. Chromium is big (400 MB with its libraries), so only this command brings it.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v chromium >/dev/null; then
  echo '==> installing chromium from Debian'
  apt-get -o DPkg::Lock::Timeout=600 update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends chromium >/dev/null
fi
exec pytest -q tests/browser
