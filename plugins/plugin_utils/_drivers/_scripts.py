# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers' pieces of sh, as they are sent to a host."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def piece(name: str) -> str:
    """Return the file `name` beside this one without its lines of comment: half of it, and each observation sends it.

    Some shells also look for quotes in a comment that stands in a command substitution.
    """
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) + "\n"
