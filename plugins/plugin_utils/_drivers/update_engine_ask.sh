# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The update server is asked what it offers, in the words of the engine itself: the engine cannot ask without taking.

setting() { # setting KEY: the value that counts for the engine
  for file in /etc/flatcar/update.conf /etc/coreos/update.conf /usr/share/flatcar/update.conf \
    /usr/share/coreos/update.conf /usr/share/flatcar/release /usr/share/coreos/release; do
    grep -q "^$1=" "$file" 2>/dev/null || continue
    sed -n "s/^$1=//p" "$file" | tail -n 1 | sed "s/^\"\(.*\)\"\$/\1/; s/^'\(.*\)'\$/\1/"
    return 0
  done
  return 1
}

release() { setting "FLATCAR_RELEASE_$1" || setting "COREOS_RELEASE_$1"; }

preference() { cat "/var/lib/update_engine/prefs/$1" 2>/dev/null; }

# The proxy that the engine was given, in a drop-in of its unit.
take_proxy() {
  for pair in $(sed -n 's/^Environment=//p' /etc/systemd/system/update-engine.service.d/*.conf 2>/dev/null |
    tr -d "\"'" | tr ' ' '\n' | grep -E '^(ALL|HTTPS?|NO)_PROXY='); do
    export "${pair?}"
  done
}

# The first check after an update says so: else the server would take the update for unfinished, and offer nothing.
request() {
  version=$(release VERSION) before=$(preference previous-version)
  done_event=
  if [ -n "$before" ] && [ "$before" != "$version" ]; then
    done_event="<event eventtype=\"3\" eventresult=\"2\" previousversion=\"$before\"></event>"
  fi
  cat <<XML
<?xml version="1.0" encoding="UTF-8"?>
<request protocol="3.0" version="flotilla" updaterversion="flotilla" installsource="ondemandupdate" ismachine="1">
    <os version="Chateau" platform="CoreOS" sp="${version}_$(uname -m)"></os>
    <app appid="$(release APPID || echo '{e96281a6-d1af-4bde-9a0a-97b76e56dc57}')" version="$version" track="$(setting GROUP)" bootid="{$(cat /proc/sys/kernel/random/boot_id)}" oem="" oemversion="" alephversion="$(preference aleph-version)" machineid="$(cat /etc/machine-id)" machinealias="$(setting MACHINE_ALIAS)" lang="en-US" board="$(release BOARD)" hardware_class="" delta_okay="false" >
        <updatecheck></updatecheck>
        $done_event
    </app>
</request>
XML
}

ask() {
  server=$(setting SERVER) || { echo "no SERVER is set in update.conf" >&2; return 1; }
  case $server in http://* | https://*) ;; *) echo "SERVER=$server in update.conf is no address" >&2; return 1 ;; esac
  take_proxy
  request | curl --silent --show-error --fail --max-time 60 --header 'Content-Type: text/xml' --data-binary @- "$server"
}
