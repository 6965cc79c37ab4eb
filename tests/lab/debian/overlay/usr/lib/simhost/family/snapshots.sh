# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# For the stand-ins on a real machine, in place of the simulated host's snapshots.sh: the snapshots are snapper's, the
# packages rpm's; a repository is a folder of a web server, with packages and a list of them.
# shellcheck disable=SC2034 # the stand-ins read them

running() { findmnt --noheadings --output FSROOT / | sed -n 's|.*/\.snapshots/\([0-9]*\)/snapshot$|\1|p'; }

installed() { # installed NUMBER: "NAME EDITION ARCH", a line each
  rpm --root "/.snapshots/$1/snapshot" -qa --qf '%{NAME} %{VERSION}-%{RELEASE} %{ARCH}\n'
}

ordered() { :; }

# What the enabled repository offers: its version, and the name of a file with lines "NAME EDITION ARCH".
offered() {
  for file in /etc/zypp/repos.d/*.repo; do
    grep -q '^enabled=1' "$file" || continue
    alias=$(sed -n 's/^\[\(.*\)]/\1/p' "$file")
    name=$(sed -n 's/^name=//p' "$file") url=$(sed -n 's/^baseurl=//p' "$file")
    list=/run/simhost-list
    busybox wget -q -O $list "$url/packages" || { recorded solve-network; exit 106; }
    version=$(sed -n 's/^lab-release \(.*\)-1 noarch$/\1/p' $list)
  done
}
