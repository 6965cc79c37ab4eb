#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# identity.sh TREE VERSION [STATUS]: what tells one version of the lab OS from another
set -eu
tree=$1 version=$2 status=${3:-ok}
workload=$tree/usr/lib/lab/workload
mkdir -p "$workload/etc" "$workload/www"
echo "$version" >"$tree/usr/lib/lab/version"
cat >"$tree/usr/lib/os-release.new" <<END
NAME="Flotilla Lab OS"
PRETTY_NAME="Flotilla Lab OS $version"
ID=flotilla-lab
ID_LIKE=debian
VERSION_ID=$version
IMAGE_ID=flotilla-lab
IMAGE_VERSION=$version
END
mv "$tree/usr/lib/os-release.new" "$tree/usr/lib/os-release"
printf '{"status":"%s","version":"%s"}\n' "$status" "$version" >"$workload/www/health"
if [ "$status" = ok ]; then
  echo '# everything under /www is served' >"$workload/etc/httpd.conf"
else
  # Every request is refused with status 403, the answer says why.
  printf 'D:*\nE403:/www/health\n' >"$workload/etc/httpd.conf"
fi
