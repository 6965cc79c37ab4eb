# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Fedora host with rpm-ostree 2023.5: commits, versions and what is printed are those of the recordings of Fedora CoreOS
# 38 (tests/unit/fixtures/rpm_ostree); boot counting (greenboot) and rpm-ostreed-automatic.timer are as on Fedora IoT.
# The disk is an OSTree host's, with the same stateroot.
. "$lib/../families/ostree/machine.sh"
first_commit=e841d77aadb875bb801ac845a0d9b8a70b4224bdeb15e7d6c5bff1da932c0301
first_version=38.20230625.3.0
first_origin=fedora:fedora/x86_64/coreos/stable
updater_link=timers.target.wants/rpm-ostreed-automatic.timer

disk_new() {
  mkdir -p "$disk/boot/loader/entries" "$disk/ostree/repo" "$disk/ostree/deploy/lab/var" "$disk/ostree/simhost/deployments"
  printf '[core]\nrepo_version=1\nmode=bare\n' >"$disk/ostree/repo/config"
  disk_ref
  echo "$first_commit.0" >"$order"
  new=$disk/ostree/deploy/lab/deploy/$first_commit.0
  mkdir -p "$new"
  cp -R "$family/root/." "$new"
  rm -f "$new/etc/ostree/remotes.d/lab.conf"
  mkdir -p "$new/etc/systemd/system/${updater_link%/*}"
  ln -s "/usr/lib/systemd/system/${updater_link#*/}" "$new/etc/systemd/system/$updater_link"
  printf 'commit=%s\nversion=%s\nrefspec=%s\ndate=Tue Nov 24 14:23:57 2026\nquality=good\nkargs=%s\n' \
    "$first_commit" "$first_version" "$first_origin" 'root=UUID=1 rw quiet' \
    >"$disk/ostree/simhost/deployments/$first_commit.0"
  disk_origin >"$new.origin"
  cp "$family/server.txt" "$sim/server.txt"
  disk_loader
}

disk_ref() {
  mkdir -p "$disk/ostree/repo/refs/remotes/fedora/fedora/x86_64/coreos"
  echo "$first_commit" >"$disk/ostree/repo/refs/remotes/fedora/fedora/x86_64/coreos/stable"
}

disk_origin() { printf '[origin]\nrefspec=%s\n' "$first_origin"; }

disk_loader() { grub_new; }
