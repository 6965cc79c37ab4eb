# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemctl says of units and of the system (tried with systemd 247 to 257). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._errors import CannotParse
from .key_value import parse_key_values

# Begin the parts of the output that hold `list-units --failed` and `is-system-running`.
FAILED_MARK = "@@flotilla-failed"
SYSTEM_MARK = "@@flotilla-system"


def parse_systemd(text: str, units: Sequence[str]) -> dict[str, Any]:
    """Return {units, failed, system} from `show` of `units`, FAILED_MARK, the failed units, SYSTEM_MARK, a word.

    systemctl shows units in the order in which they were asked for, a blank line between two; their Id may be another
    name than the one asked for (an alias).
    Raises CannotParse.
    """
    shown, _mark, rest = text.partition(f"{FAILED_MARK}\n")
    failed, mark, system = rest.partition(f"{SYSTEM_MARK}\n")
    if not mark:
        raise CannotParse("the answers of systemctl", "some are missing")
    blocks = [parse_key_values(block) for block in shown.split("\n\n") if block.strip()]
    if len(blocks) != len(units):
        raise CannotParse("`systemctl show`", f"asked for {len(units)} units, it shows {len(blocks)}")
    return {
        "units": {name: _unit(block) for name, block in zip(units, blocks, strict=True)},
        "failed": sorted(_name(line) for line in failed.splitlines() if line.strip()),
        "system": system.strip() or None,
    }


def _name(line: str) -> str:
    """Return the unit of a line of `list-units`; in some versions a dot stands before it in spite of `--plain`."""
    words = line.split()
    return words[0] if words[0][0].isascii() and words[0] != "*" else words[1]


def _unit(words: dict[str, str]) -> dict[str, Any]:
    if not words.get("ActiveState"):
        raise CannotParse("`systemctl show`", f"no ActiveState for {words.get('Id') or 'a unit'}")
    restarts = words.get("NRestarts", "")
    return {
        "load": words.get("LoadState") or None,
        "active": words["ActiveState"],
        "sub": words.get("SubState") or None,
        "result": words.get("Result") or None,
        "restarts": int(restarts) if restarts.isdigit() else None,
    }
