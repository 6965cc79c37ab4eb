# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A small systemd: unit files as they are on the disk, and per unit a folder $UNITS/UNIT for this boot with pid, active
# (while it is), failed, starting. Known are the settings that our own units and the updaters' use; systemd.unit(5),
# systemd.service(5), systemd.timer(5).
UNIT_FOLDERS="/etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system"

unit_find() { # unit_find UNIT: the file that counts, into $file; it starts no process
  for folder in $UNIT_FOLDERS; do
    file=$folder/$1
    if [ -e "$file" ] || [ -L "$file" ]; then return 0; fi
  done
  return 1
}

unit_path() {
  unit_find "$1" || return 1
  echo "$file"
}

unit_key() { # unit_key UNIT SECTION KEY: all values, a line each
  unit_find "$1" && [ -f "$file" ] || return 0
  sed -n "/^\[$2\]/,/^\[/s/^$3=//p" "$file"
}

unit_load() {
  if ! unit_find "$1"; then
    if [ -e "$UNITS/$1/transient" ]; then echo loaded; else echo not-found; fi
    return
  fi
  if [ "$(readlink "$file")" = /dev/null ]; then echo masked; else echo loaded; fi
}

unit_active() {
  if [ -e "$UNITS/$1/starting" ]; then echo activating; return; fi
  if [ -s "$UNITS/$1/pid" ]; then
    if [ -d "/proc/$(cat "$UNITS/$1/pid")/fd" ]; then echo active; return; fi
  elif [ -e "$UNITS/$1/active" ]; then echo active; return; fi
  if [ -e "$UNITS/$1/failed" ]; then echo failed; else echo inactive; fi
}

unit_sub() {
  case $(unit_active "$1") in
    activating) echo start ;;
    active)
      case $1 in
        *.timer) echo waiting ;;
        *) if [ -e "$UNITS/$1/pid" ]; then echo running; else echo exited; fi ;;
      esac
      ;;
    failed) echo failed ;;
    *) echo dead ;;
  esac
}

unit_wanted_by() { # the targets that have a link to it
  for folder in $UNIT_FOLDERS; do
    for link in "$folder"/*.wants/"$1"; do
      [ ! -L "$link" ] || basename "${link%/*}" .wants
    done
  done | sort -u | tr '\n' ' ' | sed 's/ $//'
}

unit_file_state() {
  unit_find "$1" || return 0
  if [ "$(readlink "$file")" = /dev/null ]; then
    case $file in /run/*) echo masked-runtime ;; *) echo masked ;; esac
    return
  fi
  for link in /etc/systemd/system/*.wants/"$1" /usr/lib/systemd/system/*.wants/"$1"; do
    if [ -L "$link" ]; then
      # A link of the OS's own makes a unit without [Install] static all the same.
      if [ -n "$(unit_key "$1" Install WantedBy)" ]; then echo enabled; else echo static; fi
      return
    fi
  done
  for link in /run/systemd/system/*.wants/"$1"; do
    [ ! -L "$link" ] || { echo enabled-runtime; return; }
  done
  if [ -n "$(unit_key "$1" Install WantedBy)" ]; then echo disabled; else echo static; fi
}

property() { # property UNIT NAME
  case $2 in
    Id | Names) echo "$1" ;;
    Type) case $1 in *.service) t=$(unit_key "$1" Service Type); echo "${t:-simple}" ;; esac ;;
    LoadState) unit_load "$1" ;;
    ActiveState) unit_active "$1" ;;
    SubState) unit_sub "$1" ;;
    UnitFileState) unit_file_state "$1" ;;
    FragmentPath) [ "$(unit_load "$1")" != loaded ] || unit_path "$1" ;;
    WantedBy) [ "$(unit_load "$1")" != loaded ] || unit_wanted_by "$1" ;;
    TriggeredBy)
      timer=${1%.*}.timer
      case $1 in *.timer) ;; *) [ "$(unit_load "$timer")" != loaded ] || echo "$timer" ;; esac
      ;;
    RequiredBy | UpheldBy) ;;
    Result) if [ -e "$UNITS/$1/failed" ]; then echo exit-code; else echo success; fi ;;
    NRestarts) echo 0 ;;
    Description) unit_key "$1" Unit Description ;;
    *) return 1 ;;
  esac
}

show_units() { # show_units PROPERTIES VALUE_ONLY UNIT...
  names=$(echo "$1" | tr ',' ' ') only=$2
  shift 2
  if [ $# = 0 ]; then
    # Of the manager itself: no machine here has a watchdog.
    [ "$names" = RuntimeWatchdogUSec ] || unknown show "$names"
    if [ -n "$only" ]; then echo 0; else echo RuntimeWatchdogUSec=0; fi
    return
  fi
  first=1
  for unit; do
    case $unit in *.*) ;; *) unit=$unit.service ;; esac
    [ -n "$first" ] || echo
    first=''
    absent=''
    unit_find "$unit" || [ -e "$UNITS/$unit/transient" ] || absent=1
    for name in $names; do
      # Most of those that are asked for are not there: no process is started for them.
      case $absent$name in
        1Id | 1Names) text=$unit ;;
        1LoadState) text=not-found ;;
        1ActiveState) text=inactive ;;
        1SubState) text=dead ;;
        1*) text='' ;;
      esac
      [ -z "$absent" ] || { if [ -n "$only" ]; then echo "$text"; else echo "$name=$text"; fi; continue; }
      case $name in
        # A property that this type of unit does not have is left out.
        Type) case $unit in *.service) ;; *) continue ;; esac ;;
      esac
      text=$(property "$unit" "$name") || continue
      if [ -n "$only" ]; then echo "$text"; else echo "$name=$text"; fi
    done
  done
}

conditions_hold() {
  unit_key "$1" Unit ConditionPathExists | while read -r path; do
    case $path in
      !*) [ ! -e "${path#!}" ] || exit 1 ;;
      *) [ -e "$path" ] || exit 1 ;;
    esac
  done
}

unit_start() {
  case $1 in *.*) ;; *) set -- "$1.service" ;; esac
  case $(unit_load "$1") in
    not-found) echo "Failed to start $1: Unit $1 not found." >&2; return 5 ;;
    masked) echo "Failed to start $1: Unit $1 is masked." >&2; return 1 ;;
  esac
  [ "$(unit_active "$1")" != active ] || return 0
  conditions_hold "$1" || return 0
  mkdir -p "$UNITS/$1"
  rm -f "$UNITS/$1/failed"
  case $1 in
    *.timer)
      : >"$UNITS/$1/active"
      unit_detached timer_run "$1"
      ;;
    *.service) service_start "$1" ;;
    *) : >"$UNITS/$1/active" ;;
  esac
}

unit_detached() { # unit_detached FUNCTION UNIT: in a session of its own
  # shellcheck disable=SC2016 # expanded over there
  setsid sh -c '. /usr/lib/simhost/simhost.sh; . /usr/lib/simhost/units.sh; "$1" "$2"' sh "$1" "$2" \
    >>"$SIM/journal" 2>&1 </dev/null &
  echo $! >"$UNITS/$2/pid"
}

service_start() {
  case $(unit_key "$1" Service Type) in
    oneshot)
      : >"$UNITS/$1/starting"
      if unit_commands "$1" >>"$SIM/journal" 2>&1 </dev/null; then
        rm -f "$UNITS/$1/starting"
        [ "$(unit_key "$1" Service RemainAfterExit)" != yes ] || : >"$UNITS/$1/active"
      else
        rm -f "$UNITS/$1/starting"
        service_failed "$1"
        return 1
      fi
      ;;
    *)
      unit_detached service_run "$1"
      ;;
  esac
}

service_run() { unit_commands "$1" || service_failed "$1"; }

unit_commands() {
  unit_key "$1" Service ExecStart | while read -r line; do
    ignore=''
    case $line in -*) ignore=1; line=${line#-} ;; esac
    sh -c "$line" || [ -n "$ignore" ] || exit 1
  done
}

service_failed() {
  : >"$UNITS/$1/failed"
  case $(unit_key "$1" Unit FailureAction) in
    reboot-force | reboot-immediate) echo force >"$SIM/order" ;;
    reboot) echo reboot >"$SIM/order" ;;
  esac
}

seconds() { # seconds SPAN: systemd.time(7), the part that our units use
  case $1 in
    *min) echo $((${1%min} * 60)) ;;
    *h) echo $((${1%h} * 3600)) ;;
    *d) echo $((${1%d} * 86400)) ;;
    *s) echo "${1%s}" ;;
    *) echo "$1" ;;
  esac
}

timer_run() {
  boot=$(unit_key "$1" Timer OnBootSec) active=$(unit_key "$1" Timer OnActiveSec)
  every=$(unit_key "$1" Timer OnUnitActiveSec) started=$(unit_key "$1" Timer Unit)
  started=${started:-${1%.timer}.service}
  if [ -n "$boot" ]; then
    timer_wait "$1" $(($(seconds "$boot") - $(cut -d . -f 1 /proc/uptime)))
  else
    # Calendar events do not come round in the life of a simulated host.
    timer_wait "$1" "$(seconds "${active:-1000d}")"
  fi
  unit_start "$started"
  while [ -n "$every" ]; do
    timer_wait "$1" "$(seconds "$every")"
    unit_start "$started"
  done
  timer_wait "$1" "$(seconds 1000d)"
}

timer_wait() { # timer_wait TIMER SECONDS
  [ "$2" -gt 0 ] || return 0
  sleep "$2" &
  echo $! >"$UNITS/$1/waits"
  wait $!
}

# Its time is over now: what a test says that does not want to wait.
timer_elapse() { kill "$(cat "$UNITS/$1/waits")"; }

unit_stop() {
  case $1 in *.*) ;; *) set -- "$1.service" ;; esac
  [ "$(unit_load "$1")" != not-found ] || { echo "Failed to stop $1: Unit $1 not loaded." >&2; return 5; }
  if [ -s "$UNITS/$1/pid" ]; then
    # The process leads a session of its own: all of it.
    kill -- "-$(cat "$UNITS/$1/pid")" 2>/dev/null
  fi
  # What has failed stays so (systemctl(1), "reset-failed").
  rm -f "$UNITS/$1/pid" "$UNITS/$1/active" "$UNITS/$1/starting"
}

unit_enable() {
  [ "$(unit_load "$1")" != masked ] || { echo "Failed to enable unit: Unit file /etc/systemd/system/$1 is masked." >&2; return 1; }
  file=$(unit_path "$1") || { echo "Failed to enable unit: Unit file $1 does not exist." >&2; return 1; }
  folder=/etc/systemd/system
  [ -z "$runtime" ] || folder=/run/systemd/system
  for target in $(unit_key "$1" Install WantedBy); do
    mkdir -p "$folder/$target.wants"
    [ -L "$folder/$target.wants/$1" ] || echo "Created symlink $folder/$target.wants/$1 → $file." >&2
    ln -sf "$file" "$folder/$target.wants/$1"
  done
}

unit_disable() {
  unit_path "$1" >/dev/null || { echo "Failed to disable unit: Unit file $1 does not exist." >&2; return 1; }
  for link in /etc/systemd/system/*.wants/"$1" /run/systemd/system/*.wants/"$1"; do
    [ ! -L "$link" ] || { rm -f "$link"; echo "Removed \"$link\"." >&2; }
  done
}

unit_mask() {
  folder=/etc/systemd/system
  [ -z "$runtime" ] || folder=/run/systemd/system
  mkdir -p "$folder"
  if [ -e "$folder/$1" ] && [ "$(readlink "$folder/$1")" != /dev/null ]; then
    echo "Failed to mask unit: File $folder/$1 already exists." >&2
    return 1
  fi
  ln -sf /dev/null "$folder/$1"
  # A timer that runs while its unit file goes: "Unit to trigger vanished", "Failed with result 'resources'" (systemd 257).
  case $1 in
    *.timer) [ ! -e "$UNITS/$1/active" ] || { rm -f "$UNITS/$1/active"; mkdir -p "$UNITS/$1"; : >"$UNITS/$1/failed"; } ;;
  esac
}

unit_unmask() {
  for folder in /etc/systemd/system /run/systemd/system; do
    [ "$(readlink "$folder/$1")" != /dev/null ] || rm -f "$folder/$1"
  done
}

unit_is_active() {
  unit_active "$1"
  [ "$(unit_active "$1")" = active ] || return 3
}

unit_is_enabled() {
  state=$(unit_file_state "$1")
  [ -n "$state" ] || { echo "Failed to get unit file state for $1: No such file or directory" >&2; return 1; }
  echo "$state"
  case $state in enabled | enabled-runtime | static | alias | indirect | generated | transient) ;; *) return 1 ;; esac
}
