# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What the builds of the tests' own machines have in common: an image of Debian packages, kept in the lab's cache under a
# key of all that makes it. Needs root, and the packages that the lab's role installs on the controller. A build sources it
# with `cache`, `here` (its own folder) and `packages` (of the guest, with commas) set. No loop device and no mount.
: "${cache:?}" "${here:?}" "${packages:?}"
lab=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../roles/lab/files" && pwd)
export LAB_SUITE=trixie LAB_MIRROR=${LAB_MIRROR:-} LAB_SECURITY_MIRROR=${LAB_SECURITY_MIRROR:-}

# Sets `result`, the folder of this image in the cache. Where it is built already, or was by another build that is waited
# for, the folder is printed, and the script ends.
cached() { # cached NAME FILE...: with what the image is made of besides the build's own folder
  local name=$1 key
  shift
  key=$( (
    echo "$packages"
    cd "$here" && find . -type f ! -name '*.py' ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    cd "$lab" && find overlay build/sources.sh -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    for file in "${BASH_SOURCE[0]}" "$@"; do sha256sum <"$file"; done
  ) | sha256sum | cut -c 1-12)
  result=$cache/$name-$key
  mkdir -p "$cache/locks" "$cache/debs"
  exec 9>"$cache/locks/$name-$key"
  flock 9
  [ -e "$result/base.qcow2" ] || return 0
  echo "$result"
  exit
}

on_controller() { # on_controller PACKAGE...: installed, if they are not there
  local package missing=()
  for package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] || DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
    -o DPkg::Lock::Timeout=600 install "${missing[@]}" >&2
}

work_folder() { # work_folder NAME: sets `work`, which is gone when the script ends, and `root`
  work=$(mktemp -d "/dev/shm/flotilla-$1.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  root=$work/root
}

debian_root() { # the packages, without what a machine for tests does not read
  local excluded=() path
  "$lab/build/sources.sh" >"$work/sources.list"
  for path in '/usr/share/man/*' '/usr/share/doc/*' '/usr/share/locale/*' '/usr/share/info/*' '/usr/share/zoneinfo/*' \
    '/usr/share/bash-completion/*' '/usr/lib/x86_64-linux-gnu/gconv/*' '/etc/kernel/postinst.d/*'; do
    excluded+=(--dpkgopt="path-exclude=$path")
  done
  # One at a time: each brings the packages that it had to fetch back into the cache.
  exec 8>"$cache/locks/debs"
  flock 8
  # shellcheck disable=SC2016  # "$1" is for mmdebstrap's hook
  eatmydata mmdebstrap --variant=minbase --include="$packages" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
    "${excluded[@]}" --dpkgopt=force-unsafe-io --skip=download/empty --skip=essential/unlink \
    --setup-hook='mkdir -p "$1"/var/cache/apt/archives' \
    --setup-hook="sync-in '$cache/debs' /var/cache/apt/archives" \
    --customize-hook="sync-out /var/cache/apt/archives '$cache/debs'" \
    $LAB_SUITE "$root" "$work/sources.list" >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; exit 1; }
  exec 8>&-
}

# Much of the system is what the lab's own image has (roles/lab/files/overlay); the build's own overlay comes over it.
lab_overlay() { # lab_overlay MACHINE-ID
  local path
  for path in etc/ssh/sshd_config.d etc/systemd/network etc/sudoers.d usr/lib/systemd/journald.conf.d \
    usr/lib/systemd/system.conf.d usr/lib/systemd/system/sshd-keygen.service.d \
    usr/lib/systemd/system/systemd-udev-trigger.service.d; do
    mkdir -p "$root/$path"
    cp -r --no-preserve=ownership,mode "$lab/overlay/$path/." "$root/$path/"
  done
  chmod 0440 "$root/etc/sudoers.d/lab"
  cp -r --no-preserve=ownership "$here/overlay/." "$root/"
  echo "$1" >"$root/etc/machine-id"
  rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root"/etc/ssh/ssh_host_*
}

# Every unit less is a second of an emulated boot, or half of one, and so is every generator that has nothing to generate.
only_units() { # only_units UNIT...: beside the network and SSH
  local unit generator
  find "$root/etc/systemd/system" \( -name '*.wants' -o -name '*.requires' \) -prune -exec rm -rf {} +
  for unit in systemd-networkd.service ssh.service sshd-keygen.service "$@"; do echo "enable $unit"; done \
    >"$root/usr/lib/systemd/system-preset/00-lab.preset"
  echo 'disable *' >>"$root/usr/lib/systemd/system-preset/00-lab.preset"
  chroot "$root" systemctl preset-all >/dev/null 2>&1
  for unit in getty@tty1.service serial-getty@ttyS0.service ldconfig.service systemd-hwdb-update.service \
    systemd-journal-catalog-update.service systemd-journal-flush.service systemd-random-seed.service \
    systemd-remount-fs.service systemd-networkd-wait-online.service systemd-update-done.service \
    systemd-binfmt.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-machine-id-commit.service \
    systemd-boot-random-seed.service systemd-boot-update.service dev-hugepages.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
    systemd-network-generator.service systemd-networkd-persistent-storage.service systemd-tpm2-setup.service \
    systemd-tpm2-setup-early.service systemd-udev-load-credentials.service \
    kmod-static-nodes.service modprobe@configfs.service modprobe@drm.service modprobe@fuse.service; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit"
  done
  mkdir -p "$root/etc/systemd/system-generators"
  for generator in snapd-generator systemd-getty-generator systemd-gpt-auto-generator systemd-hibernate-resume-generator \
    systemd-rc-local-generator systemd-run-generator systemd-ssh-generator systemd-system-update-generator \
    systemd-sysv-generator systemd-tpm2-generator; do
    ln -s /dev/null "$root/etc/systemd/system-generators/$generator"
  done
}

modules_of() { # modules_of MODULE...: files below /usr/lib/modules, of what is not built in, in the order of loading
  local module
  for module; do chroot "$root" modprobe -S "$kernel" --show-depends "$module" 2>/dev/null; done |
    sed -n 's|^insmod .*/lib/modules/||p' | cut -d ' ' -f 1 | awk '!seen[$0]++'
}

# Sets `kernel`; $work/initramfs gets busybox, and the modules in the order in which its init loads them.
initramfs() { # initramfs INIT MODULE...
  local file plain
  kernel=$(ls "$root/usr/lib/modules")
  mkdir -p "$work/initramfs"/{bin,proc,sys,dev,run,sysroot,etc,lib/modules}
  install -m 0755 "$1" "$work/initramfs/init"
  cp "$root/usr/bin/busybox" "$work/initramfs/bin/"
  shift
  modules_of "$@" | while read -r file; do
    plain=$(basename "$file" .xz)
    xz -dc "$root/usr/lib/modules/$file" >"$work/initramfs/lib/modules/$plain"
    echo "$plain" >>"$work/initramfs/etc/modules"
  done
}

pack() { # pack OUTPUT: the initramfs as it is now
  (cd "$work/initramfs" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet -R 0:0) | zstd -q -6 >"$1"
}

only_modules() { # only_modules MODULE...: no others in the guest
  modules_of "$@" >"$work/needed"
  find "$root/usr/lib/modules" -name '*.ko.xz' -printf '%P\n' | grep -vxFf "$work/needed" |
    sed "s|^|$root/usr/lib/modules/|" | xargs rm -f
  chroot "$root" depmod "$kernel"
}

keep() { # keep FOLDER: it is the result from now on, and is printed
  rm -rf "$result" "$result.new"
  cp -r "$1" "$result.new"
  mv "$result.new" "$result"
  echo "$result"
}
