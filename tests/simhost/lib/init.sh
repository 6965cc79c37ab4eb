# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# PID 1 of a simulated host: starts what is wanted, says that the host is up, and waits for the order to go down.
# Orders come through a FIFO: reboot (what is staged is finalised first) or force (nothing is: like a reset).
. /usr/lib/simhost/simhost.sh

mkdir -p /run/systemd/system "$UNITS"
[ -p "$SIM/order" ] || mkfifo "$SIM/order"
[ ! -x /usr/lib/simhost/family/start.sh ] || /usr/lib/simhost/family/start.sh
for target in sysinit local-fs basic timers multi-user; do
  for folder in /usr/lib/systemd/system /etc/systemd/system; do
    for wanted in "$folder/$target.target.wants"/*; do
      # A link to a unit that is gone, or masked, starts nothing.
      [ ! -L "$wanted" ] || systemctl start "${wanted##*/}" || echo "failed to start ${wanted##*/}" >&2
    done
  done
done
cat /proc/sys/kernel/random/boot_id >"$SIM/up"
: >"$SIM/came-up"
# Opened for both, it does not end with a writer; each child that ends interrupts the waiting.
exec 3<>"$SIM/order"
order=''
until [ -n "$order" ]; do read -r order <&3 || :; done
rm -f "$SIM/up"
if [ "$order" = reboot ] && [ -x /usr/lib/simhost/family/shutdown.sh ]; then
  /usr/lib/simhost/family/shutdown.sh || echo "the family's shutdown failed" >&2
fi
