# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with the real snapd, whose OS are two snaps (build.sh)."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "debian"))
from machine import Kernel
from one_machine import OneMachine


class SnapMachine(OneMachine):
    def __init__(self) -> None:
        super().__init__("snapd1", 22961, 512, Path(__file__).with_name("build.sh"), Kernel())

    def prepare(self, image: Path) -> None:
        self._source = image / "source"

    def digest(self, folder: str) -> str:
        """What the set of a folder must be called on each host: by what is in its files, which are read here."""
        files = sorted((self._source / folder).glob("*.snap"))
        words = [f"{file.name.partition('_')[0]}_{hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
        return hashlib.sha256("+".join(words).encode()).hexdigest()

    def snaps(self) -> list[str]:
        """Return all revisions that snapd has, NAME REVISION, with a star for those that are active."""
        lines = [line.split() for line in self.shell("snap list --all").splitlines()[1:]]
        return [
            f"{name} {revision}{'' if 'disabled' in notes else '*'}" for name, _rest, revision, *_rest, notes in lines
        ]
