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
sys.argv = ["pip", "install", "--disable-pip-version-check", "-q", wheel]
runpy.run_module("pip", run_name="__main__")
PY
  }
done
HOME=$home
# Only our own Python: version managers leave stand-ins on PATH that are none.
PATH=$(dirname "$(command -v python)"):/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME PATH
cd .cache/sanity/ansible_collections/flotilla/container_os
ansible-test sanity --venv --color no --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" "$@"
echo 'sanity: all tests passed'
