# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What is in a snapshot. A digest is the SHA-256 of the sorted
# lines "NAME ARCH EPOCH:VERSION-RELEASE" of its packages: of all that is known of a snapshot before it is made, this says
# most. Of a package that is installed in several versions, as kernels may be, the one that came last counts: the others
# are left over until they are purged. Keys (gpg-pubkey) are no packages.
FLOTILLA=/var/lib/flotilla/transactional_update

packages() { # packages SNAPSHOT: "@ NAME EPOCH:VERSION-RELEASE ARCH TIME", unsorted
  # shellcheck disable=SC2016 # rpm's own
  listed=$(rpm --root "/.snapshots/$1/snapshot" -qa \
    --qf '@ %{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH} %{INSTALLTIME}\n') &&
    printf '%s\n' "$listed" | grep -v '^@ gpg-pubkey '
}

# Reads `packages`, and then the tags that zypper prints of what it would do, a line each; prints what comes of it. First
# comes "= VERSION" of PRODUCT, where that is in it. It ends with 1 where the input is cut off.
# shellcheck disable=SC2016 # awk's own
applied() { # applied PRODUCT
  awk -v product="$1" '
    function attribute(name, at, rest) {
      at = index($0, " " name "=\"")
      if (!at) return ""
      rest = substr($0, at + length(name) + 3)
      return substr(rest, 1, index(rest, "\"") - 1)
    }
    /^@ / {
      if (NF != 5 || $5 !~ /^[0-9]+$/) { broken = 1; exit }
      sub(/^0:/, "", $3)
      key = $2 " " $4
      if (!(key in edition) || $5 + 0 > time[key] || ($5 + 0 == time[key] && $3 "" > edition[key] "")) {
        edition[key] = $3
        time[key] = $5 + 0
      }
      known = 1
      next
    }
    /^to-[a-z-]+>/ { section = $0; sub(/>.*/, "", section) }
    /^\/to-/ { section = "" }
    /^\/stream>/ { ended = 1 }
    /^solvable / && section != "" {
      type = attribute("type")
      if (type == "") type = attribute("kind")
      name = attribute("name"); new = attribute("edition"); arch = attribute("arch"); old_arch = attribute("arch-old")
      if (type == "product" && name == product && section != "to-remove") { version = new; sub(/-[^-]*$/, "", version) }
      if (type != "package") next
      if (name == "" || new == "" || arch == "") { broken = 1; exit }
      key = name " " arch
      if (section == "to-remove") {
        gone[key] = new
      } else {
        fresh[key] = new
        if (old_arch != "" && old_arch != arch) gone[name " " old_arch] = "*"
      }
    }
    END {
      if (broken || !known || !ended) exit 1
      for (key in gone) if (gone[key] == "*" || gone[key] == edition[key]) delete edition[key]
      for (key in fresh) edition[key] = fresh[key]
      if (version != "") print "= " version
      for (key in edition) print key, edition[key]
    }'
}

digest() { # of the lines on stdin
  grep -v '^= ' | LC_ALL=C sort | sha256sum | cut -d ' ' -f 1
}

digest_of() { # digest_of SNAPSHOT
  shown=$(packages "$1") && lines=$(printf '%s\n/stream>\n' "$shown" | applied '') && printf '%s\n' "$lines" | digest
}

# The database of a snapshot that was not written since has the same key; so has an untouched copy, with the same packages.
database_key() { # database_key SNAPSHOT
  key=
  for file in Packages.db rpmdb.sqlite rpmdb.sqlite-wal Packages; do
    seen=$(stat -c %i.%s.%Y.%Z "/.snapshots/$1/snapshot/usr/lib/sysimage/rpm/$file" 2>/dev/null) && key="$key$file.$seen"
  done
  [ -n "$key" ] && echo "$key"
}

recorded_digest() { # recorded_digest SNAPSHOT: as it was found when something was staged
  key=$(database_key "$1") || return 1
  seen=$(sed -n "s/^$key \([0-9a-f]\{64\}\)\$/\1/p" "$FLOTILLA/digests" 2>/dev/null | tail -n 1)
  [ -n "$seen" ] && echo "$seen"
}

version_of() { # version_of SNAPSHOT
  version=$(sed -n 's/^VERSION_ID=//p' "/.snapshots/$1/snapshot/usr/lib/os-release" 2>/dev/null | tail -n 1 | tr -d "\"' \t")
  echo "${version:--}"
}

made_of() { # made_of SNAPSHOT: the one that it was made of
  sed -n 's|.*<description>Snapshot Update of #\([0-9]*\)</description>.*|\1|p' "/.snapshots/$1/info.xml" 2>/dev/null
}

# What runs, what boots next, what is staged, and the ways back from these must be known, and are read out of the database
# where no record has them; of all others those that have a record.
contents() {
  running=$(booted_id)
  [ -n "$running" ] || { echo "what runs is no snapshot" >&2; return 1; }
  next=$(default_id) staged=$(cat "$FLOTILLA/staged" 2>/dev/null)
  asked=" $running $next $staged $(made_of "$running") "
  for folder in /.snapshots/[0-9]*; do
    number=${folder#/.snapshots/}
    # A transaction that goes on, or was broken off.
    ! grep -qs '<key>transactional-update-in-progress</key>' "$folder/info.xml" || continue
    [ -d "$folder/snapshot" ] || continue
    found=$(recorded_digest "$number") ||
      case $asked in
        *" $number "*) found=$(digest_of "$number") || found= ;;
        *) continue ;;
      esac
    if [ -n "$found" ]; then
      echo "snapshot $number $found $(version_of "$number")"
    elif [ "$number" = "$running" ]; then
      echo "the list of packages that run is empty or cut off" >&2
      return 1
    fi
  done
  echo end
}
