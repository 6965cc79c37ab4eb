# SPDX-License-Identifier: GPL-3.0-or-later
"""A file as `date +%s; stat -L -c '%f %s %u %g %Y'` shows it, in GNU's words and in busybox's. Pure."""

from __future__ import annotations

import re
import stat
from typing import Any

from .._errors import CannotParse

# What stat says of a path that leads nowhere, in the C locale.
ABSENT = re.compile(r"No such file or directory|Not a directory")

# The file types of a mode, in words.
FILE_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFBLK: "block_device",
    stat.S_IFCHR: "character_device",
}


def parse_file(text: str) -> tuple[dict[str, Any], str]:
    """Return ({file_type, size, mode, uid, gid, age}, the content behind it). Raises CannotParse.

    `mode` in octal as text ("0644"); `age` in seconds, never negative: a clock may have been set back since.
    """
    now, _newline, rest = text.partition("\n")
    line, _newline, content = rest.partition("\n")
    try:
        raw, size, uid, gid, written = line.split()
        mode = int(raw, 16)
        found = {
            "file_type": FILE_TYPES[stat.S_IFMT(mode)],
            "size": int(size),
            "mode": f"{stat.S_IMODE(mode):04o}",
            "uid": int(uid),
            "gid": int(gid),
            "age": max(0, int(now) - int(written)),
        }
    except (KeyError, ValueError) as exc:
        raise CannotParse("what stat printed", f"{type(exc).__name__}: {exc}", line) from exc
    return found, content
