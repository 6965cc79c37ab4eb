# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# factory.sh MACHINE: make the disk of a new simulated host, with the family's machine.sh.
set -eu
machine=$1 lib=$(dirname "$0")
disk=$machine/disk sim=$machine/sim family=$machine/family
. "$family/machine.sh"
disk_new
