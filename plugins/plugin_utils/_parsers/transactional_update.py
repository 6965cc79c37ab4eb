# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own probes print on hosts of transactional-update (`_drivers/transactional_update_*.sh`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse

_CONTENT = re.compile(r"snapshot ([0-9]{1,9}) ([0-9a-f]{64}) (\S+)")
_OFFER = re.compile(r"digest ([0-9a-f]{64})\nversion (\S+)\n")
_ROOT = re.compile(r".*/\.snapshots/([0-9]{1,9})/snapshot(?:/.*)?")
_DEFAULT = re.compile(r"ID [0-9]+ gen [0-9]+ top level [0-9]+ path (?:.*/)?\.snapshots/([0-9]{1,9})/snapshot")
_UNKNOWN = "-"


@dataclass(frozen=True)
class Content:
    """What is in a snapshot. `digest` is over its packages; `version`: VERSION_ID of its os-release, if it has one."""

    digest: str
    version: str | None


def parse_contents(text: str) -> dict[int, Content]:
    """Return the contents by the number of the snapshot: lines of `snapshot NUMBER DIGEST VERSION`, and an end mark.

    Raises CannotParse.
    """
    what = "the contents of the snapshots"
    *lines, end, rest = ["", *text.split("\n")] if text else ["", ""]
    if (end, rest) != ("end", ""):
        raise CannotParse(what, "they are cut off", text[-80:])
    contents: dict[int, Content] = {}
    for line in lines[1:]:
        found = _CONTENT.fullmatch(line)
        if not found:
            raise CannotParse(what, "unknown form", line)
        number = int(found[1])
        if number in contents:
            raise CannotParse(what, f"snapshot {number} is there twice")
        contents[number] = Content(found[2], _known(found[3]))
    return contents


def parse_offer(text: str) -> tuple[str, str | None]:
    """Return (digest, version) of what the repositories offer. Raises CannotParse."""
    found = _OFFER.fullmatch(text)
    if not found:
        raise CannotParse("what the repositories offer", "unknown form", text[-200:])
    return found[1], _known(found[2])


def parse_root(text: str) -> int | None:
    """Return the number of the snapshot that is mounted, by the FSROOT of findmnt(8); None where it is none."""
    found = _ROOT.fullmatch(text.strip())
    return int(found[1]) if found else None


def parse_default(text: str) -> int:
    """Return the number of the snapshot that boots next, from `btrfs subvolume get-default`. Raises CannotParse."""
    found = _DEFAULT.fullmatch(text.strip())
    if not found:
        raise CannotParse("the output of `btrfs subvolume get-default`", "it names no snapshot", text.strip())
    return int(found[1])


def parse_staged(text: str) -> int | None:
    """Return the number of the snapshot that we staged, from our record; None without one. Raises CannotParse."""
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}\n", text):
        raise CannotParse("the record of what was staged on the host", "unknown form", text)
    return int(text)


def _known(word: str) -> str | None:
    return None if word == _UNKNOWN else word
