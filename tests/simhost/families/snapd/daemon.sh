#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What snapd does when it comes up in a boot, some time after the guard: what runs is good, and what waited for the reboot
# goes on; a change that was cut off begins again. (The init of a simulated host starts one unit after the other, and the
# guard's waits for this: so it is no unit.)
SIM=/run/simhost
FAMILY=/usr/lib/simhost/family
. $FAMILY/snapd.sh
sleep 0.3
rm -f "$STATE/maintenance.json"
mark_successful
for one in "$CHANGES"/*; do
  [ -e "$one/status" ] || continue
  id=${one##*/}
  case $(cat "$one/status") in
    Wait) go_on "$id" ;;
    Doing) work "$id" ;;
    Undoing)
      [ -e "$one/error" ] || undo "$id" "cannot finish the installation, there was a rollback across reboot"
      tell "$id" status Error
      ;;
  esac
done
