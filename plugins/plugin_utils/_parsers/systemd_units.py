# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd units of an OS's own update agent: what they are, and whether any of them may act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._model.host import Result, Step
from .._model.shell import quote
from .._model.state import NativeUpdater, UpdaterState

# Printed between the units and our record of what they were before they were held.
_RECORD_MARK = "@@flotilla-record"


@dataclass(frozen=True)
class Unit:
    """A unit in the words of `systemctl show`: load (loaded, masked, not-found), active, file (enabled, static, …)."""

    name: str
    load: str
    active: str
    file: str

    @property
    def exists(self) -> bool:
        return self.load != "not-found"

    @property
    def may_act(self) -> bool:
        """It runs, or will at the next boot, or something else that is enabled may start it."""
        if self.load == "masked":
            return self.running
        return self.running or self.file in ("enabled", "enabled-runtime", "linked", "alias")

    @property
    def running(self) -> bool:
        return self.active in ("active", "activating", "reloading")


@dataclass(frozen=True)
class Units:
    """The units that exist, and the record of what they were (None: not held by us)."""

    units: tuple[Unit, ...]
    record: str | None


def unit_probe(name: str, units: Sequence[str], record: str) -> Step:
    """A step that shows `units` and the record at path `record`."""
    shown = " ".join(quote(unit) for unit in units)
    return Step(
        name,
        "! command -v systemctl >/dev/null || systemctl show --property=Id,LoadState,ActiveState,UnitFileState "
        f"-- {shown} 2>/dev/null; "
        f"[ ! -f {quote(record)} ] || {{ printf '\\n{_RECORD_MARK}\\n'; cat {quote(record)}; }}",
    )


def parse_units(result: Result, wanted: Sequence[str]) -> Units:
    """Return those of the `wanted` units that exist on the host; one that is not shown is absent."""
    shown, mark, record = result.stdout.partition(f"{_RECORD_MARK}\n")
    found = []
    for block in shown.split("\n\n"):
        words = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if words.get("Id") in wanted:
            unit = Unit(
                words["Id"], words.get("LoadState", ""), words.get("ActiveState", ""), words.get("UnitFileState", "")
            )
            if unit.exists:
                found.append(unit)
    return Units(tuple(found), record if mark else None)


def read_units(result: Result, wanted: Sequence[str]) -> NativeUpdater:
    """Return the state of the agent that consists of the `wanted` units."""
    seen = parse_units(result, wanted)
    if not seen.units:
        return NativeUpdater(None, UpdaterState.ABSENT)
    name = seen.units[0].name.rpartition(".")[0]
    if any(unit.may_act for unit in seen.units):
        return NativeUpdater(name, UpdaterState.ACTIVE)
    return NativeUpdater(name, UpdaterState.HELD if seen.record is not None else UpdaterState.DISABLED)
