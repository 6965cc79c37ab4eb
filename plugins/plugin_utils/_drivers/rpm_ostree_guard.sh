# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of rpm-ostree, above ostree_guard.sh (booted_id, deployment_ids). The daemon of rpm-ostree is
# not asked where that can be helped: at an early boot it cannot be started.

make_default() { # make_default ID
  index=$(deployment_ids | sed 's/^.//' | grep -nxF "$1" | cut -d : -f 1)
  [ -n "$index" ] || return 1
  [ "$index" = 1 ] || ostree admin set-default "$((index - 1))" >/dev/null 2>&1 ||
    make_default_before_2023_6 "$1" "$index" || return 1
  [ "$(deployment_ids | sed -n '1s/^.//p')" = "$1" ]
}

# OSTree before 2023.6 has no `set-default` (RHEL for Edge 8 and 9.2, Photon 5).
make_default_before_2023_6() { # make_default_before_2023_6 ID INDEX
  running=$(deployment_ids | grep -n '^\*' | cut -d : -f 1)
  if [ "$2" = "$((running + 1))" ]; then
    rpm-ostree rollback >/dev/null
  elif [ "$2" = "$running" ] && [ "$2" = 2 ]; then
    # The boot loader went back to what runs. What it went back from is the default; only removing it helps.
    ostree admin undeploy 0 >/dev/null
  else
    echo "this OSTree can only go back by one deployment, and $1 is not that one" >&2
    return 1
  fi
}
