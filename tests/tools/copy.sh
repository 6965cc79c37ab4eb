#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# copy.sh DIR: the work tree as a real collection tree and git repository of its own, DIR/ansible_collections/….
# ansible-test refuses a tree that is reached by a symlink.
set -eu
tree=$1/ansible_collections/flotilla/container_os
rm -rf "$1/ansible_collections"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard -- ':!.collections' |
  tar --null --ignore-failed-read -cf - -T - 2>/dev/null | tar -xf - -C "$tree"
cd "$tree"
git init -q .
git add -A
git -c user.name=copy -c user.email=copy@example.org commit -q -m copy
