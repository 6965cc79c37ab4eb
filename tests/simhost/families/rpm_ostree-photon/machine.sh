# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A Photon 5 host: rpm-ostree 2022.19 and ostree 2023.5, which has no set-default; an unsigned branch; nothing counts boots;
# AppArmor. Commits, and the version that both of them carry, are those of status-text-photon-*.txt. Its rpm-ostree knows no
# --json here, as the oldest of them, so that the text is read.
. "$lib/../families/rpm_ostree/machine.sh"
first_commit=820b584a6f90bf6b9b8cb6aad8c093064b88d0ab686be8130baa03d68917ad88
first_version=5.0_minimal
first_origin=photon:photon/5.0/x86_64/minimal

disk_ref() {
  # The installer writes the remote into the repository's own file.
  printf '[remote "photon"]\nurl=http://10.20.30.204:8000/repo\ngpg-verify=false\n' >>"$disk/ostree/repo/config"
  mkdir -p "$disk/ostree/repo/refs/remotes/photon/photon/5.0/x86_64"
  echo "$first_commit" >"$disk/ostree/repo/refs/remotes/photon/photon/5.0/x86_64/minimal"
}

disk_loader() {
  grub_new
  rm -rf "$disk/boot/grub/grub.cfg" "$machine/sys/fs/selinux"
  rm -f "$disk/ostree/deploy/lab/deploy/$first_commit.0/etc/ostree/remotes.d/fedora.conf"
}
