# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Ubuntu Core's own boot counting: a new base or kernel is tried once. The early boot code turns "try" into "trying", and
# at the next boot "trying" into what ran before; snapd ends it as soon as it runs. There are no more tries to be had.

counter_present() { ! classic; }

counter_set() { # counter_set TRIES
  if [ "$1" = 0 ]; then
    trying # the next boot is what ran before, if snapd never marked this one good
  else
    # snapd itself sets the one try, when the target is activated. What an earlier attempt left says nothing about this.
    rm -f "$SETS/activated"
  fi
}

counter_clear() { patiently 60 settled; }

counter_spent() {
  [ "$(cat "$SETS/activated" 2>/dev/null)" = "$(get armed target)" ] && [ "$(next_id)" != "$(get armed target)" ]
}
