#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# power.sh MACHINE: the power supply of a simulated host. It boots it, and boots it again when it went down, until there
# is a file MACHINE/off. Each boot is a mount, PID and time namespace of its own: with its PID 1 all its processes are
# gone, and so is its /run; its clock of uptime starts at 0.
# Killed, it takes the host along.
#
# MACHINE/on-hold: stays switched off as long as this file is there. MACHINE/boots counts the boots that were tried.
set -u
machine=$1
here=$(cd "$(dirname "$0")" && pwd)
# A machine that never comes up is switched off in the end.
most_failures=10
failures=0
while [ ! -e "$machine/off" ] && [ $failures -lt $most_failures ]; do
  if [ -e "$machine/on-hold" ]; then
    sleep 0.2
    continue
  fi
  echo boot >>"$machine/boots"
  failures=$((failures + 1))
  rm -f "$machine/sim/came-up"
  setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --time \
    --boottime "-$(cut -d . -f 1 /proc/uptime)" sh "$here/boot.sh" "$machine" 2>>"$machine/console" </dev/null
  [ ! -e "$machine/sim/came-up" ] || failures=0
  rm -f "$machine/pid" "$machine/sim/up"
done
