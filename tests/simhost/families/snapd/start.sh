#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The socket of snapd, and snapd itself.
: >/run/snapd.socket
setsid /usr/lib/simhost/family/daemon.sh >>/run/simhost/journal 2>&1 </dev/null &
