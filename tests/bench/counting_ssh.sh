#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# ssh that counts: one line for each command that is sent to a host; `-O stop` and the like are none.
case " $* " in *" -O "*) ;; *) echo "$$" >>"$FLOTILLA_SSH_COUNT" ;; esac
exec ssh "$@"
