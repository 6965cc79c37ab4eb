#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# omaha.sh WHO: an update server. A request on stdin, the answer on stdout; the answers are the recorded ones in
# tests/unit/fixtures/omaha with another version and payload (tests/conformance/test_update_engine.py compares them).
# Groups are the lines of server.txt: GROUP VERSION PAYLOAD ROOT-HASH QUALITY.
TOOL=omaha
. "${SIMHOST_LIB:-/usr/lib/simhost}/simhost.sh"
FAMILY=${SIMHOST_FAMILY:-$FAMILY}
who=$1
request=$(tr '\n' ' ')

attribute() { printf '%s' "$request" | sed -n "s/.*<app [^>]*$1=\"\([^\"]*\)\".*/\1/p"; }

appid=$(attribute appid)
group=$(attribute track)
case $request in *'<updatecheck'*) ;; *) recorded response_event_ok; exit 0 ;; esac
case $(cat "$SIM/faults/omaha.check" 2>/dev/null) in busy*) recorded response_error_internal; exit 0 ;; esac
line=$(grep "^$group " "${SIMHOST_SERVER:-$SIM/server.txt}")
[ -n "$line" ] || { recorded response_error_internal; exit 0; }
# shellcheck disable=SC2086
set -- $line
version=$2 payload=$3
# A server that changes its mind between the question and the engine's own check.
case $who$(cat "$SIM/faults/omaha.check" 2>/dev/null) in
  engineother*) payload=$(grep '^never-up ' "$SIM/server.txt" | cut -d ' ' -f 3) ;;
esac
# Nebraska offers only what is newer.
newest=$(printf '%s\n%s\n' "$(attribute version)" "$version" | sort -t . -k 1,1n -k 2,2n -k 3,3n | tail -n 1)
if [ "$newest" = "$(attribute version)" ]; then recorded response_noupdate; else recorded response_update; fi
