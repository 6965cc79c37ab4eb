# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of the mode takes, on either system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._model.host import Step


@dataclass(frozen=True)
class ModePlan:
    """The way to a mode. Nothing in it: the host is there.

    `steps` are required ones. `after` is what will show then (in check mode and diff mode).
    `reboot`: the steps take effect at the next boot. `argument`: the kernel argument that it takes, and a boot with it;
    there are no steps then. `note`: what stays as it is, in words.
    """

    steps: tuple[Step, ...] = ()
    after: Mapping[str, object] = field(default_factory=dict)
    reboot: bool = False
    argument: str | None = None
    note: str | None = None

    @property
    def done(self) -> bool:
        return not self.steps and not self.reboot and self.argument is None
