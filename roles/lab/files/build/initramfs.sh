#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# initramfs.sh ROOT MODE OUTPUT: a small initramfs from files of ROOT only.
# MODE is what its /init does: boot, never-up or hang.
set -eu
root=$1 mode=$2 output=$3
kernel=$(ls "$root/usr/lib/modules")
work=$(mktemp -d "$LAB_WORK/initramfs.XXXXXX")
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/bin" "$work/sbin" "$work/proc" "$work/sys" "$work/dev" "$work/run" "$work/sysroot" "$work/etc" \
  "$work/lib/modules" "$work/lib/x86_64-linux-gnu" "$work/usr/lib/ostree"
ln -s lib "$work/lib64"
ln -s ../../lib/x86_64-linux-gnu "$work/usr/lib/x86_64-linux-gnu"
install -m 0755 "$LAB_FILES/initramfs/init" "$work/init"
echo "$mode" >"$work/etc/mode"
cp "$root/usr/bin/busybox" "$work/bin/"
cp "$root/usr/lib/ostree/ostree-prepare-root" "$root/usr/lib/ostree/prepare-root.conf" "$work/usr/lib/ostree/"
chroot "$root" ldd /usr/lib/ostree/ostree-prepare-root | grep -o '/[^ ]*' | while read -r library; do
  case $library in
    */ld-linux*) cp -L "$root$library" "$work/lib/" ;;
    *) cp -L "$root$library" "$work/lib/x86_64-linux-gnu/" ;;
  esac
done

# Modules in the order of loading; what is built in is not listed.
for module in virtio_blk i6300esb; do
  chroot "$root" modprobe -S "$kernel" --show-depends "$module" | sed -n 's/^insmod //p' | while read -r file _; do
    file=$root$file
    plain=$(basename "$file" | sed 's/\.ko.*//')
    [ ! -e "$work/lib/modules/$plain.ko" ] || continue
    echo "$plain" >>"$work/etc/modules"
    case $file in
      *.xz) xz -dc "$file" >"$work/lib/modules/$plain.ko" ;;
      *) cp "$file" "$work/lib/modules/$plain.ko" ;;
    esac
  done
done

(cd "$work" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc --quiet -R 0:0 --reproducible) |
  zstd -q -10 >"$output.new"
mv "$output.new" "$output"
