# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of the GVariant format as OSTree's /run/ostree/staged-deployment needs: strings in a dictionary `a{sv}`.

Source: the GVariant specification (docs.gtk.org/glib/gvariant-specification-1.0.html), sections 2.3 and 2.5: framing
offsets stand at the end of a container, in as few bytes (1, 2, 4) as its size asks for, little-endian on our machines.
"""

from __future__ import annotations

from .._errors import CannotParse


def parse_strings(hexadecimal: str, key: str) -> tuple[str, ...] | None:
    """Return the value of `key` in an `a{sv}` when it is an array of strings, None where there is no such key.

    `hexadecimal`: the file as `od -An -v -tx1` prints it. Raises CannotParse.
    """
    try:
        data = bytes.fromhex("".join(hexadecimal.split()))
        for entry in _elements(data, alignment=8):
            width = _offset_width(len(entry))
            key_end = int.from_bytes(entry[-width:], "little")
            if entry[: key_end - 1].decode() != key:
                continue
            value = entry[-(-key_end // 8) * 8 : len(entry) - width]
            content, _nul, kind = value.rpartition(b"\0")
            if kind != b"as":
                raise ValueError(f"{key} is of type {kind!r}")
            return tuple(item[:-1].decode() for item in _elements(content, alignment=1))
    except (ValueError, IndexError) as exc:
        raise CannotParse("the record of the staged deployment", str(exc)) from exc
    return None


def _elements(data: bytes, alignment: int) -> list[bytes]:
    """Split an array of elements of variable size."""
    if not data:
        return []
    width = _offset_width(len(data))
    table = int.from_bytes(data[-width:], "little")
    if not 0 < table < len(data) or (len(data) - table) % width:
        raise ValueError("framing offsets do not fit")
    ends = [int.from_bytes(data[at : at + width], "little") for at in range(table, len(data), width)]
    parts, start = [], 0
    for end in ends:
        start = -(-start // alignment) * alignment
        if not start < end <= table:
            raise ValueError("framing offsets do not fit")
        parts.append(data[start:end])
        start = end
    return parts


def _offset_width(size: int) -> int:
    return 1 if size <= 0xFF else 2 if size <= 0xFFFF else 4
