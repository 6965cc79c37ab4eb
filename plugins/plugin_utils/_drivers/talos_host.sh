# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Talos host, from the controller: what the connection plugin says of it is in the environment.
RECORD=0x0e # UserReserved3 of META (pkg/machinery/meta/constants.go)

talos() {
  set -- "$@" --nodes "$FLOTILLA_TALOS_NODE"
  [ -z "$FLOTILLA_TALOS_ENDPOINTS" ] || set -- "$@" --endpoints "$FLOTILLA_TALOS_ENDPOINTS"
  [ -z "$FLOTILLA_TALOS_CONTEXT" ] || set -- "$@" --context "$FLOTILLA_TALOS_CONTEXT"
  "$FLOTILLA_TALOSCTL" "$@"
}

boot_id() { talos read /proc/sys/kernel/random/boot_id; }

uptime_of_host() {
  up=$(talos read /proc/uptime) || return 1
  echo "${up%%.*}"
}

# The one line of the machine configuration that is needed; all else in it, secrets too, stays in this pipe.
install_image() {
  { talos get machineconfig v1alpha1 -o yaml || echo failed; } | awk '
    $0 == "failed" { failed = 1 }
    NF == 0 || $1 ~ /^#/ { next }
    { depth = match($0, /[^ ]/) }
    machine && depth <= machine { machine = install = 0; over = 1 }
    install && depth <= install { install = 0 }
    $1 == "machine:" && !machine && !over { machine = depth }
    install && !child { child = depth }
    install && depth == child && $1 == "image:" { image = $2 }
    machine && !install && $1 == "install:" { install = depth; child = 0 }
    END { if (failed) exit 1; gsub(/["\047]/, "", image); print image }'
}

record() {
  if told=$(talos get metakeys $RECORD -o json 2>&1); then
    printf '%s\n' "$told"
    return 0
  fi
  case $told in
    (*"code = NotFound"* | *"doesn't exist"*) return 0 ;;
  esac
  printf '%s\n' "$told" >&2
  return 1
}

remember() { talos meta write $RECORD "flotilla $*"; } # remember STATE BEFORE TO BOOT-ID

stage() { # stage IMAGE BEFORE TO BOOT-ID
  # From here on the other slot holds what it held no more.
  said=$(remember installing "$2" "$3" "$4" 2>&1) || { echo "flotilla: no_record $said"; return 1; }
  said=$(talos upgrade --image "$1" --no-reboot --progress plain 2>&1) ||
    { echo "flotilla: not_installed $said"; return 1; }
  printf '%s\n' "$said"
  case $said in
    (*"upgrade completed"*) ;;
    (*) echo "flotilla: not_installed talosctl did not say that it was completed"; return 1 ;;
  esac
  said=$(remember installed "$2" "$3" "$4" 2>&1) || { echo "flotilla: no_record $said"; return 1; }
}

go_back() { # go_back BEFORE TO BOOT-ID
  remember back "$1" "$2" "$3" || return 1
  said=$(talos rollback 2>&1) && return 0
  # It may be gone before its answer is here: whether it goes back is proven by its next boot.
  case $said in (*"code = Unavailable"*) return 0 ;; esac
  printf '%s\n' "$said" >&2
  return 1
}

# By the boot loader, whatever is prepared: a kexec would not ask it. Not drained: that is for the hooks of a rollout.
order_reboot() {
  said=$(talos reboot --mode powercycle --drain=false --wait=false 2>&1) && return 0
  # Up to 1.13 it drains nothing.
  case $said in
    (*"unknown flag: --drain"*) talos reboot --mode powercycle --wait=false ;;
    (*) printf '%s\n' "$said" >&2; return 1 ;;
  esac
}
