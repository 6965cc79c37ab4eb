# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# snapd is asked over its REST interface, by what there is: curl, or the snap command (2.64 and later; exit code 0 also
# where the answer is an error), or netcat, to which a server of HTTP/1.0 sends the body in one piece and hangs up.
SOCKET=${SNAPD_ROOT:-}/run/snapd.socket

rest() { # rest PATH
  if command -v curl >/dev/null; then
    curl --silent --show-error --max-time 30 --unix-socket "$SOCKET" "http://localhost$1"
    return
  fi
  { said=$(snap debug api "$1" 2>&1 >&3); } 3>&1 && return 0
  case $said in *"unknown command"*) ;; *) printf '%s\n' "$said" >&2; return 1 ;; esac
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" | nc -U -w 30 "$SOCKET" | tr -d '\r' | sed '1,/^$/d'
}

# It goes away for some seconds while it refreshes itself, and comes up late in a boot.
ask() { # ask PATH...: each answer behind a line that names it
  for path; do
    printf '\n@@flotilla-file %s\n' "$path"
    patiently 8 rest "$path" || return 1
  done
}
