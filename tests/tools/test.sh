#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# All tests, the fast ones first. A part that fails does not stop the others; the last line sums up.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
logs=.cache/logs
mkdir -p "$logs"
passed=0 failed=0
table=

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
  local minutes good=1 bad=0
  minutes=$(awk -v s=$((SECONDS - began)) 'BEGIN { printf "%.1f", s / 60 }')
  # pytest's own count where there is one.
  if grep -qE '^=*.*[0-9]+ (passed|failed|error)' "$log"; then
    good=$(grep -oE '[0-9]+ passed' "$log" | tail -n 1 | cut -d ' ' -f 1)
    bad=$(grep -oE '[0-9]+ (failed|errors?)' "$log" | awk '{ n += $1 } END { print n + 0 }')
  fi
  [ $rc = 0 ] || { [ "${bad:-0}" -gt 0 ] || bad=1; }
  [ $rc = 0 ] && bad=0
  passed=$((passed + ${good:-0})) failed=$((failed + bad))
  table+=$(printf '%-12s %8s min  %s' "$name" "$minutes" "$([ $rc = 0 ] && echo "ok, ${good:-0}" || echo "FAILED ($rc)")")$'\n'
  if [ $rc != 0 ]; then
    printf '    %s FAILED, the end of %s:\n' "$name" "$log"
    tail -n 80 "$log"
  else
    printf '    ok, %s min\n' "$minutes"
  fi
}

run check make -s check
run lint tests/tools/lint.sh
run sanity tests/tools/sanity.sh
run matrix tests/tools/matrix.sh
[ ! -d tests/integration ] || run integration make -s integration
[ ! -d tests/conformance ] || run conformance make -s conformance
run molecule tests/tools/molecule.sh
run vm-test make -s vm-test

printf '\n%s\n' "$table"
echo "$((SECONDS / 60)) minutes in all"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
