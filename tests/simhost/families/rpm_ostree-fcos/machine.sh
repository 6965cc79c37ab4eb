# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Fedora CoreOS 43 with rpm-ostree 2026.2, following a signed image, as in status-json-fcos43-oci-signed-booted.json.
# Zincati is its update agent. Nothing counts boots.
. "$lib/../families/rpm_ostree/machine.sh"
first_commit=36ff46d732a070a1bf10f7157f764e316f99a836dcdbf56702798e5042411fe9
first_version=43.20251024.3.0
first_origin=ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable
updater_link=multi-user.target.wants/zincati.service

disk_ref() { :; }

disk_origin() { printf '[origin]\ncontainer-image-reference=%s\n' "$first_origin"; }

disk_loader() {
  grub_new
  rm -f "$disk/boot/grub/grub.cfg"
}
