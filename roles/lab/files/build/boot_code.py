# SPDX-License-Identifier: GPL-3.0-or-later
"""Write GRUB's BIOS boot code into a disk image: what grub-bios-setup does, without mounting anything."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

SECTOR = 512
# Start of the BIOS boot partition, as in disk.sh.
CORE_SECTOR = 2048
CORE_SECTORS_MAX = 2048


def main(disk: str, boot_image: str, core_image: str) -> None:
    boot = bytearray(Path(boot_image).read_bytes())
    core = bytearray(Path(core_image).read_bytes())
    core += b"\0" * (-len(core) % SECTOR)
    sectors = len(core) // SECTOR
    if sectors > CORE_SECTORS_MAX:
        raise SystemExit(f"core.img has {sectors} sectors, the partition {CORE_SECTORS_MAX}")
    # boot.img: where the first sector of core.img is, and no check of the drive number.
    struct.pack_into("<Q", boot, 0x5C, CORE_SECTOR)
    boot[0x66:0x68] = b"\x90\x90"
    # First block list of core.img: the rest of it, loaded at segment 0x820.
    struct.pack_into("<QHH", core, 0x1F4, CORE_SECTOR + 1, sectors - 1, 0x820)
    with Path(disk).open("r+b") as stream:
        stream.write(boot[:440])
        stream.seek(CORE_SECTOR * SECTOR)
        stream.write(core)


if __name__ == "__main__":
    main(*sys.argv[1:])
