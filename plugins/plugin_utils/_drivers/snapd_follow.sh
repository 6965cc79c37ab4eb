# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A channel is TRACK/RISK. Kernel and gadget follow the track; base and snapd have tracks of their own, and follow the risk.
# The snaps of a classic system follow both.

tracking() { # tracking NAME: the columns of `snap list` differ by version, their names do not
  listed=$(snap list "$1") || return 1
  printf '%s\n' "$listed" | awk '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "Tracking") column = i; next }
    column { print $column }'
}

follow() { # follow TRACK RISK
  kernel=$(modeenv current_kernels) gadget=$(modeenv gadget)
  for member in $(booted_id | tr + ' '); do
    name=${member%_*}
    ! classic || kernel=$name
    case $name in
      "${kernel%%_*}" | "${gadget%_*}") track=$1 ;;
      *)
        track=$(tracking "$name") || return 1
        # Old versions leave the track latest away. None at all: it follows nothing, as what was sideloaded.
        case $track in */*) track=${track%%/*} ;; *) track=latest ;; esac
        ;;
    esac
    # Nothing is said where nothing changes.
    snap switch "--channel=$track/$2" "$name" >&2 || return 1
  done
}
