# SPDX-License-Identifier: GPL-3.0-or-later
"""`key=value` lines: os-release(5) and the records that we keep on hosts."""

from __future__ import annotations

import shlex

from .._model.state import Os


def parse_key_values(text: str) -> dict[str, str]:
    """Return the pairs of a record of ours: one `key=value` a line, the value as it is, the last of a key counts."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value for key, _equals, value in pairs}


def parse_os_release(text: str) -> Os:
    """Return what os-release(5) says. A line that is no assignment is passed over, as the man page asks."""
    words: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith("#"):
            continue
        try:
            words[key] = " ".join(shlex.split(value))
        except ValueError:
            continue
    return Os(words.get("ID"), words.get("VERSION_ID"), words.get("VARIANT_ID"), words.get("PRETTY_NAME"))
