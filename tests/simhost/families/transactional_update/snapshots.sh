# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The snapshots of a simulated host, under /.snapshots as snapper keeps them. /simhost/default: the subvolume that is the
# default. A package database is a text: NAME EDITION ARCH TIME, a line each.
NEXT=/simhost/default
DATABASE=usr/lib/sysimage/rpm/Packages.db

running() { # by the root directory, which it is
  for folder in /.snapshots/[0-9]*; do
    [ "$(stat -c %d:%i "$folder/snapshot")" != "$(stat -c %d:%i /)" ] || echo "${folder##*/}"
  done
}

numbers() { for folder in /.snapshots/[0-9]*; do echo "${folder##*/}"; done | sort -n; }

info() { # info NUMBER DATE DESCRIPTION USERDATA-KEY USERDATA-VALUE: what snapper keeps of a snapshot
  printf '<?xml version="1.0"?>\n<snapshot>\n  <type>single</type>\n  <num>%s</num>\n  <date>%s</date>\n' "$1" "$2"
  printf '  <description>%s</description>\n  <cleanup>number</cleanup>\n' "$3"
  [ -z "$4" ] || printf '  <userdata>\n    <key>%s</key>\n    <value>%s</value>\n  </userdata>\n' "$4" "$5"
  printf '</snapshot>\n'
}

installed() { # installed NUMBER: "NAME EDITION ARCH", a line each
  sed 's/ [0-9]*$//' "/.snapshots/$1/snapshot/$DATABASE"
}

of_info() { # of_info NUMBER ELEMENT
  sed -n "s|.*<$2>\(.*\)</$2>.*|\1|p" "/.snapshots/$1/info.xml"
}

ordered() { # ordered TOOL VERB: the fault that is ordered, for what the stand-in does itself
  [ ! -f "$SIM/faults/$1.$2" ] || cut -d ' ' -f 1 "$SIM/faults/$1.$2"
}

# What the enabled repository offers: its version, and the name of a file with lines "NAME EDITION ARCH".
offered() {
  for file in /etc/zypp/repos.d/*.repo; do
    grep -q '^enabled=1' "$file" || continue
    alias=$(sed -n 's/^\[\(.*\)]/\1/p' "$file")
    name=$(sed -n 's/^name=//p' "$file") url=$(sed -n 's/^baseurl=//p' "$file")
    line=$(grep -F "$url " "$SIM/server.txt") || continue
    # shellcheck disable=SC2086
    set -- $line
    version=$2 list=/run/simhost-list
    grep -v '^#' "$FAMILY/repositories/$3" >$list
  done
}
