# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider of machines is, and what a machine is asked to be. Later ones: libvirt, Redfish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .seed import Seed


@dataclass(frozen=True)
class MachineWish:
    """A machine on this controller. `directory` holds all that belongs to it; `memory` in MiB.

    `disposable`: what it writes need not survive a crash of the controller; much faster.
    """

    name: str
    directory: Path
    image: Path
    memory: int
    cpus: int
    ssh_port: int
    acceleration: str
    disposable: bool
    seed: Seed


@dataclass(frozen=True)
class Machine:
    """A machine as observed. `state`: absent, off, running."""

    name: str
    state: str
    pid: int | None = None
    definition: tuple[str, ...] = field(default_factory=tuple)


class Provider(Protocol):
    """Starts and stops machines. Reading has no side effects; each verb may be repeated."""

    def observe(self, name: str, directory: Path) -> Machine: ...

    def refuse(self, wish: MachineWish) -> None:
        """Raise Refused for what cannot be started here, before anything is made."""

    def definition(self, wish: MachineWish) -> tuple[str, ...]:
        """Return what makes two machines the same."""

    def start(self, wish: MachineWish) -> None: ...

    def wait(self, wish: MachineWish, timeout: float, say: Callable[[str], None]) -> None:
        """Return when the machine answers on its SSH port. Raises FlotillaError with the end of its console."""

    def power_off(self, machine: Machine, directory: Path) -> None:
        """Cut the power."""

    def shut_down(self, machine: Machine, directory: Path, timeout: float) -> None:
        """Ask the OS to end, then cut the power."""

    def remove(self, machine: Machine, directory: Path) -> None: ...

    def save(self, machine: Machine, directory: Path, snapshot: str) -> None: ...

    def restore(self, machine: Machine, directory: Path, snapshot: str) -> None: ...
