#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# All tests, in three lanes: a fleet of virtual machines; at a lower priority what needs no machine, the fast ones first,
# and the machines of the other drivers, one at a time.
# A part that fails does not stop the others; the last lines sum up.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
logs=.cache/logs
mkdir -p "$logs"
results=$(mktemp "$logs/results.XXXXXX")
trap 'rm -f "$results"' EXIT

run() { # run NAME COMMAND...: with its output in a log, a sign of life every minute, and the end of the log when it fails
  local name=$1 log=$logs/$1.log began=$SECONDS said=$SECONDS pid rc
  shift
  printf '==> %s\n' "$name"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    sleep 1
    if ((SECONDS - said >= 60)); then
      said=$SECONDS
      printf '    %s: %d min, %s\n' "$name" $(((SECONDS - began) / 60)) "$(tail -n 1 "$log" | cut -c 1-100)"
    fi
  done
  wait $pid
  rc=$?
  local minutes good=1 bad=0 verdict
  minutes=$(awk -v s=$((SECONDS - began)) 'BEGIN { printf "%.1f", s / 60 }')
  # pytest's own count where there is one.
  if grep -qE '^=*.*[0-9]+ (passed|failed|error)' "$log"; then
    good=$(grep -oE '[0-9]+ passed' "$log" | tail -n 1 | cut -d ' ' -f 1)
    bad=$(grep -oE '[0-9]+ (failed|errors?)' "$log" | awk '{ n += $1 } END { print n + 0 }')
  fi
  [ $rc = 0 ] || { [ "${bad:-0}" -gt 0 ] || bad=1; }
  [ $rc = 0 ] && bad=0
  verdict=$([ $rc = 0 ] && echo "ok, ${good:-0}" || echo "FAILED ($rc)")
  # One line, written at once: the lanes write side by side.
  printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$minutes" "${good:-0}" "$bad" "$verdict" >>"$results"
  if [ $rc != 0 ]; then
    printf '    %s FAILED, the end of %s:\n%s\n' "$name" "$log" "$(tail -n 80 "$log")"
  else
    printf '    %s: ok, %s min\n' "$name" "$minutes"
  fi
}

without_machines() {
  renice -n 5 -p "$BASHPID" >/dev/null
  run check make -s check ONE_OF=1
  run lint tests/tools/lint.sh
  run sanity tests/tools/sanity.sh
  run matrix tests/tools/matrix.sh
  run integration make -s integration
  run conformance make -s conformance
}

other_machines() {
  renice -n 5 -p "$BASHPID" >/dev/null
  run vm-others pytest -q tests/lab -k "not ostree" -m "not long"
}

fleet() {
  run vm-fleet pytest -q tests/lab -k ostree
  run molecule tests/tools/molecule.sh
}

make -s setup || exit
without_machines &
lanes=($!)
other_machines &
lanes+=($!)
fleet
wait "${lanes[@]}"

printf '\n'
awk -F '\t' '{ printf "%-12s %8s min  %s\n", $1, $2, $5; good += $3; bad += $4 }
  END { printf "\n'$((SECONDS / 60))' minutes in all\n%d passed, %d failed\n", good, bad; exit bad > 0 || NR == 0 }' "$results"
