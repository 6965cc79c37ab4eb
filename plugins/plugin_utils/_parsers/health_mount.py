# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc/self/mountinfo (proc_pid_mountinfo(5)) and the output of POSIX `df -P -k`. Pure."""

from __future__ import annotations

import re
from typing import Any

from .._errors import CannotParse

# Between the list of mounts and the output of df.
SPACE_MARK = "@@flotilla-space"

_OCTAL = re.compile(r"\\([0-7]{3})")


def parse_mount(text: str, path: str) -> dict[str, Any]:
    """Return what is mounted at `path`, and the room of the file system that holds it. Raises CannotParse."""
    mounts, mark, space = text.partition(f"{SPACE_MARK}\n")
    if not mark:
        raise CannotParse("the host's mounts", "the list ends too early")
    found: dict[str, Any] = {"mounted": False, "fstype": None, "source": None, "options": None, "rw": None}
    for line in mounts.splitlines():
        words, dash, rest = line.partition(" - ")
        fields, about = words.split(" "), rest.split(" ")
        if not dash or len(fields) < 6 or len(about) < 3:
            raise CannotParse("/proc/self/mountinfo", "a line has too few fields", line)
        if _plain(fields[4]) == path:  # of several mounts on one another, the last one is seen
            options = sorted({*fields[5].split(","), *about[2].split(",")})
            found = {
                "mounted": True,
                "fstype": about[0],
                "source": _plain(about[1]),
                "options": options,
                "rw": "ro" not in options,
            }
    return {**found, **_space(space)}


def _plain(field: str) -> str:
    """Return a field without its octal escapes; these are bytes."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)


def _space(text: str) -> dict[str, float | int | None]:
    lines = text.splitlines()
    if len(lines) < 2:
        return {"size_mb": None, "free_mb": None, "free_percent": None}
    # The device may hold spaces: count from the numbers on.
    found = re.search(r"\s(?P<size>\d+)\s+(?P<used>\d+)\s+(?P<free>-?\d+)\s+(?:\d+%|-)\s+/", lines[1])
    if not found:
        raise CannotParse("`df -P -k`", "no three numbers", lines[1])
    used, free = int(found["used"]), max(0, int(found["free"]))
    # As df itself: percent of what users can have, without the share that is kept for root.
    percent = round(100 * free / (used + free), 1) if used + free else None
    return {"size_mb": int(found["size"]) // 1024, "free_mb": free // 1024, "free_percent": percent}
