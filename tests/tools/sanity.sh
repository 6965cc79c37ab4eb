#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity, in a virtual environment that it makes itself from the package index.
set -eu
cd "$(dirname "$0")/../.."
tests/tools/copy.sh .cache/sanity
home=$PWD/.cache/sanity/home
mkdir -p "$home/.ansible/test/cache"

# ansible-test wants to download get-pip; pip's own wheel does the same.
for version in 24.2 23.1.2 25.2; do
  stub=$home/.ansible/test/cache/get_pip_$(echo "$version" | tr . _).py
  [ -f "$stub" ] || {
    pip download -q --no-deps -d "$home/wheels" "pip==$version" 2>/dev/null || continue
    cat >"$stub" <<PY
import glob, os, runpy, sys
wheel = glob.glob("$home/wheels/pip-$version-*.whl")[0]
sys.path.insert(0, wheel)
sys.argv = ["pip", "install", "--disable-pip-version-check", "-q", *[a for a in sys.argv[1:] if a != "pip"], wheel]
runpy.run_module("pip", run_name="__main__")
PY
  }
done
HOME=$home
export HOME
cd .cache/sanity/ansible_collections/flotilla/container_os
ansible-test sanity --venv --color no "$@"
echo 'sanity: all tests passed'
