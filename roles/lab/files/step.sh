#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# step.sh NAME: run one step of the build, once for each image and one builder at a time.
#
# A step leaves a stamp in the workspace when it has finished, so a build that was
# killed goes on where it stopped and a second builder waits and then skips.
# Prints "done" when it did something, "skipped" when there was nothing to do.
set -eu
: "${LAB_FILES:?}" "${LAB_CACHE:?}" "${LAB_KEY:?}"
name=$1

# Everything that a step starts keeps the lock too: if this script is killed, the next builder
# waits for what it left running. Agents that stay on purpose are started without it (9>&-).
umask 022
mkdir -p "$LAB_CACHE/locks"
exec 9>"$LAB_CACHE/locks/$LAB_KEY"
flock 9

if [ -e "$LAB_CACHE/$LAB_KEY/manifest.json" ]; then
  echo skipped
  exit 0
fi

# The heavy work goes to memory if there is room, or where an earlier builder left it.
# Named after the cache, whose lock we hold.
memory=/dev/shm/flotilla-lab.$(id -u).$(realpath "$LAB_CACHE" | sha256sum | cut -c1-12)
if [ -d "$memory/$LAB_KEY" ]; then
  base=$memory
elif [ ! -d "$LAB_CACHE/work/$LAB_KEY" ] &&
  [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -ge 4194304 ] 2>/dev/null; then
  base=$memory
else
  base=$LAB_CACHE/work
fi
mkdir -p "$LAB_CACHE/work"
[ -d "$base" ] || mkdir -m 0700 "$base"
if [ -L "$base" ] || [ "$(stat -c %u "$base")" != "$(id -u)" ]; then
  echo "lab: $base belongs to somebody else" >&2
  exit 1
fi
LAB_WORK=$base/$LAB_KEY
LAB_PYTHON=${LAB_PYTHON:-python3}
export LAB_WORK LAB_PYTHON
mkdir -p "$LAB_WORK/stamps"

if [ -e "$LAB_WORK/stamps/$name" ]; then
  echo skipped
  exit 0
fi
"$LAB_FILES/build/$name.sh"
# The last step removes the workspace.
[ ! -d "$LAB_WORK" ] || : >"$LAB_WORK/stamps/$name"
echo "done"
