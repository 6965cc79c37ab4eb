# SPDX-License-Identifier: GPL-3.0-or-later
"""The partition table as `cgpt show` prints it, of which the two slots for /usr matter.

Source: flatcar/seismograph src/cgpt/cgpt_show.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse

_WHAT = "the output of `cgpt show`"
SLOTS = ("USR-A", "USR-B")

_TITLE = re.compile(r" *start +size +part +contents")
_AREA = re.compile(r" *[0-9]+ +[0-9]+ +((?:Protective|Hybrid) MBR|(?:Pri|Sec) GPT (?:header|table))")
_PARTITION = re.compile(r' *[0-9]+ +[0-9]+ +([0-9]+)  Label: "([^"]*)"')
_DETAIL = re.compile(r" +(Type|UUID|Attr): (\S.*)")
_COUNTS = re.compile(r"priority=([0-9]+) tries=([0-9]+) successful=([0-9]+)")
# In this order, the last one only where there are any.
_DETAILS = ("Type", "UUID", "Attr")
# The fields are four, four and one bit wide.
_MOST = 15


@dataclass(frozen=True)
class Slot:
    """A slot and what the boot loader reads of it: of the bootable ones, the highest priority wins."""

    label: str
    number: int
    priority: int
    tries: int
    successful: bool

    @property
    def bootable(self) -> bool:
        return self.successful or self.tries > 0


def parse_slots(text: str) -> dict[str, Slot]:
    """Return the slots by label, from the table of a disk or of one of its partitions.

    Raises CannotParse for a table that is damaged, cut off, or names a slot twice.
    """
    if "INVALID" in text:
        raise CannotParse(_WHAT, "the table is damaged; repair it with `cgpt repair`")
    if not text.endswith("\n"):
        raise CannotParse(_WHAT, "it is cut off", text[-80:])
    entries: list[tuple[str, int, dict[str, str]]] = []
    areas: list[str] = []
    details: dict[str, str] | None = None
    lines = text.removesuffix("\n").split("\n")
    for line in lines[1:] if _TITLE.fullmatch(lines[0]) else lines:
        found = _PARTITION.fullmatch(line)
        detail = _DETAIL.fullmatch(line)
        area = _AREA.fullmatch(line)
        if found:
            details = {}
            entries.append((found[2], int(found[1]), details))
        elif detail and details is not None and detail[1] in _DETAILS[len(details) :][:1]:
            details[detail[1]] = detail[2]
        elif area:
            details = None
            areas.append(area[1])
        else:
            raise CannotParse(_WHAT, "unknown line", line)
    if areas and areas[-1] != "Sec GPT header":
        raise CannotParse(_WHAT, "it is cut off", text[-80:])
    slots: dict[str, Slot] = {}
    for label, number, details in entries:
        if "Type" not in details or "UUID" not in details:
            raise CannotParse(_WHAT, f"partition {number} is not complete", label)
        if label in SLOTS:
            if label in slots:
                raise CannotParse(_WHAT, f"two partitions are called {label}")
            slots[label] = _slot(label, number, details.get("Attr", ""))
    return slots


def _slot(label: str, number: int, attributes: str) -> Slot:
    found = _COUNTS.fullmatch(attributes)
    if not found:
        raise CannotParse(_WHAT, f"{label} has no priority, tries and successful", attributes)
    priority, tries, successful = (int(value) for value in found.groups())
    if priority > _MOST or tries > _MOST or successful > 1:
        raise CannotParse(_WHAT, f"{label} has impossible attributes", attributes)
    return Slot(label, number, priority, tries, bool(successful))


def preferred(slots: dict[str, Slot]) -> Slot:
    """Return the slot with the highest priority, of two that are equal the first: it boots next if it is bootable."""
    return min(slots.values(), key=lambda slot: (-slot.priority, slot.number))
