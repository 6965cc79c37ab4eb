# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of Debian packages whose root is a snapshot on btrfs (build.sh). QEMU boots its kernel.

By hand: `PYTHONPATH=.collections python tests/lab/debian/machine.py NAME PORT` builds, boots, and says how to log in.
Return ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision._protocol import MachineWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.qemu import Qemu

sys.path.insert(0, str(Path(__file__).parents[1]))
from one_machine import OneMachine

# On a busy controller an emulated timer is late, which the kernel would take for a broken one (no_timer_check).
COMMAND_LINE = (
    "console=ttyS0 panic=5 quiet lsm=landlock,lockdown,yama norandmaps nokaslr mitigations=off init_on_alloc=0 "
    "cryptomgr.notests systemd.gpt_auto=0 systemd.show_status=error no_timer_check"
)


class Kernel(Qemu):
    """The provider `qemu`, which boots the kernel beside the image: the disk has no boot loader."""

    def definition(self, wish: MachineWish) -> tuple[str, ...]:
        image = wish.image.parent
        files = ("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initramfs.img"))
        return (*super().definition(wish), *files, "-append", COMMAND_LINE)


class DebianMachine(OneMachine):
    def __init__(self, name: str, port: int, memory: int = 384) -> None:
        super().__init__(name, port, memory, Path(__file__).with_name("build.sh"), Kernel())


def main() -> None:
    machine = DebianMachine(sys.argv[1], int(sys.argv[2]))
    try:
        machine.set_up()
        print(" ".join(machine.login()), flush=True)
        input()
    finally:
        machine.tear_down()


if __name__ == "__main__":
    main()
