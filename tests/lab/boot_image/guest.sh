#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# guest.sh FOLDER: make the smallest live images that can be upgraded, from Debian packages of the controller's own archive:
# a kernel, busybox and dropbear in an initial RAM disk, and nothing else. Into FOLDER go `packages/` (kept), `key` and
# `known_hosts` for ssh, and for each VERSION a folder `images/VERSION` with vmlinuz and initrd.img.
#
# Versions: 1 and 2 are good; 3-no-network comes up and answers nobody.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out/packages" "$out/images"
cd "$out"

if [ ! -e packages/complete ]; then
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
  crypto=$(apt-cache depends dropbear-bin | sed -n 's/.*Depends: \(libtom[^ ]*\).*/\1/p')
  # shellcheck disable=SC2086
  (cd packages && apt-get -q -o APT::Sandbox::User=root download "$kernel" dropbear-bin busybox-static $crypto)
  touch packages/complete
fi
rm -rf root live
mkdir -p root live
for package in packages/*.deb; do dpkg-deb -x "$package" root; done

[ -e key ] || ssh-keygen -q -t ed25519 -N '' -f key
mkdir -p live/bin live/sbin live/etc/dropbear live/lib/modules live/root/.ssh live/proc live/sys live/dev live/run live/tmp live/var/log
cp root/bin/busybox live/bin/busybox
cp root/usr/sbin/dropbear live/sbin/dropbear
libraries=$out/root/usr/lib/x86_64-linux-gnu
LD_LIBRARY_PATH=$libraries ldd root/usr/sbin/dropbear | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "live/$(dirname "${library#"$out/root"}")"
  cp -L "$library" "live/${library#"$out/root"}"
done
[ -e live/lib64 ] || ln -s lib live/lib64
LD_LIBRARY_PATH=$libraries root/usr/bin/dropbearkey -t ed25519 -f live/etc/dropbear/dropbear_ed25519_host_key >host_key.txt
sed -n 's/^\(ssh-ed25519 [^ ]*\).*/\1/p' host_key.txt >host_key
cp key.pub live/root/.ssh/authorized_keys
chmod -R go-rwx live/root
for module in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
  file=$(find root/lib/modules -name "$module.ko*" | head -n 1)
  # What is built in is not there.
  [ -n "$file" ] || continue
  case $file in *.xz) xz -dc "$file" >"live/lib/modules/$module.ko" ;; *) cp "$file" "live/lib/modules/$module.ko" ;; esac
  echo "$module" >>live/etc/modules
done
cp "$here/inittab" live/etc/inittab
install -m 0755 "$here/rc" live/etc/rc
ln -s /bin/busybox live/init
echo 'root:x:0:0:root:/root:/bin/sh' >live/etc/passwd
echo 'root:x:0:' >live/etc/group

for version in 1 2 3-no-network; do
  mkdir -p "images/$version"
  printf 'ID=live-lab\nVERSION_ID=%s\nPRETTY_NAME="Live lab %s"\n' "$version" "$version" >live/etc/os-release
  cp root/boot/vmlinuz-* "images/$version/vmlinuz"
  (cd live && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) | gzip -1 >"images/$version/initrd.img"
done
