# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of UEFI and systemd-boot (build.sh)."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision._protocol import MachineWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.qemu import Qemu

sys.path.insert(0, str(Path(__file__).parents[1]))
from one_machine import OneMachine

VARIABLES = "ovmf-vars.fd"


class Uefi(Qemu):
    """The provider `qemu`, with a firmware that has variables."""

    def definition(self, wish: MachineWish) -> tuple[str, ...]:
        flash = "if=pflash,format=raw,file="
        code = f"{flash}{wish.image.parent / 'ovmf-code.fd'},readonly=on"
        return (*super().definition(wish), "-drive", code, "-drive", f"{flash}{wish.directory / VARIABLES}")


class UefiMachine(OneMachine):
    def __init__(self) -> None:
        super().__init__("sysupdate1", 22980, 384, Path(__file__).with_name("build.sh"), Uefi())

    def prepare(self, image: Path) -> None:
        self.key = (image / "key.asc").read_text()
        (self.directory / VARIABLES).write_bytes((image / VARIABLES).read_bytes())

    def entries(self) -> list[str]:
        return self.shell("ls /boot/EFI/Linux").split()
