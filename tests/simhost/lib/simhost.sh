# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What all stand-in tools share: their state, their record of calls, and the faults that are ordered.
# A tool says first: TOOL=name; . /usr/lib/simhost/simhost.sh; called "$@". Then, per verb, `fault VERB`.
SIM=/run/simhost
UNITS=/run/systemd/simhost
FAMILY=/usr/lib/simhost/family
export SIM UNITS FAMILY

called() { printf '%s %s\n' "$TOOL" "$*" >>"$SIM/calls"; }

# recorded NAME: print a recorded text in which @KEY@ stands for the value of the variable KEY, a line.
recorded() {
  script=
  for key in $(grep -o '@[a-z_]*@' "$FAMILY/recorded/$1" | sort -u | tr -d @); do
    eval "value=\$$key"
    case $value in *[\&\|\\]*) value=$(printf '%s' "$value" | sed 's/[&|\\]/\\&/g') ;; esac
    script="$script;s|@$key@|$value|g"
  done
  sed "$script" "$FAMILY/recorded/$1"
}

# fault VERB ARGUMENT...: do what the file $SIM/faults/TOOL.VERB orders, if there is one: KIND, or KIND TIMES, with which
# the order is used up after so many calls. The arguments are all of the tool's own.
#   empty, lies  does nothing, prints nothing, exits with 0
#   truncated    prints what it would, cut off in the middle, exits with 0
#   localised    speaks German whatever it is asked, as a daemon does that was started so
#   hangs        gives no answer, ever
#   killed       is killed before it has done anything
#   any other    fails: prints $FAMILY/recorded/fault-VERB.KIND or fault-KIND to stderr, and exits with 1
fault() {
  order=$SIM/faults/$TOOL.$1
  [ -f "$order" ] && [ -z "${SIMHOST_FAULTLESS:-}" ] || return 0
  read -r kind times <"$order"
  if [ -n "$times" ]; then
    if [ "$times" -gt 1 ]; then echo "$kind $((times - 1))" >"$order"; else rm -f "$order"; fi
  fi
  echo "fault $TOOL $1 $kind" >>"$SIM/calls"
  verb=$1
  shift
  case $kind in
    empty | lies) exit 0 ;;
    truncated)
      text=$(SIMHOST_FAULTLESS=1 "$0" "$@")
      printf '%s' "$text" | head -c $((${#text} / 2))
      exit 0
      ;;
    localised) german=1 ;;
    hangs) while :; do sleep 1000; done ;;
    killed) kill -9 $$ ;;
    *)
      for text in "fault-$verb.$kind" "fault-$kind" ""; do [ ! -f "$FAMILY/recorded/$text" ] || break; done
      [ -n "$text" ] || { echo "simhost: no recorded text for $TOOL $verb $kind" >&2; exit 70; }
      recorded "$text" >&2
      exit 1
      ;;
  esac
}

# say ENGLISH GERMAN: one line, in the language that the environment asks for, as gettext finds it.
say() {
  case ${LC_ALL:-${LC_MESSAGES:-${LANG:-C}}} in
    de*) printf '%s\n' "$2" ;;
    *) if [ -n "$german" ]; then printf '%s\n' "$2"; else printf '%s\n' "$1"; fi ;;
  esac
}
german=

unknown() { # unknown ARGUMENT...: what nobody has recorded is an error, never a guess
  echo "simhost: $TOOL: not recorded: $*" >&2
  exit 70
}
