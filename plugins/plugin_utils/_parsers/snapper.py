# SPDX-License-Identifier: GPL-3.0-or-later
"""What `snapper list` prints of the snapshots, as JSON (since 0.8.10) or as CSV.

Sources: snapper(8), openSUSE/snapper client/snapper/cmd-list.cc; the marks of a transaction:
openSUSE/transactional-update lib/Snapshot/Snapper.cpp.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import CannotParse

_WHAT = "the output of `snapper list`"
# Of the configuration that the root file system has.
_ROOT = "root"
# In the user data of a snapshot as long as it is being written, or since that was broken off.
_IN_PROGRESS = "transactional-update-in-progress"
# How libtukit calls a snapshot, by the one that it was made of.
_UPDATE_OF = re.compile(r"Snapshot Update of #([0-9]+)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class Snapshot:
    """A snapshot by its number. Each of the others is None where its column was not asked for.

    `base`: the snapshot that it was made of; also None where its description does not say so.
    `unfinished`: a transaction that goes on, or was broken off.
    """

    number: int
    default: bool | None
    active: bool | None
    unfinished: bool | None
    base: int | None


def parse_snapshots(text: str) -> tuple[Snapshot, ...]:
    """Return the snapshots in the order of the list, without number 0, which is what runs.

    Raises CannotParse for what is cut off, names a snapshot twice, or has another form than the recorded ones.
    """
    if not text.strip():
        raise CannotParse(_WHAT, "it is empty")
    rows = _json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text)
    found: dict[int, Snapshot] = {}
    for row in rows:
        snapshot = _snapshot(row)
        if snapshot.number in found:
            raise CannotParse(_WHAT, f"two snapshots have the number {snapshot.number}")
        found[snapshot.number] = snapshot
    if found.pop(0, None) is None:
        raise CannotParse(_WHAT, "number 0 is not in it: it is cut off")
    if sum(bool(one.default) for one in found.values()) > 1:
        raise CannotParse(_WHAT, "two snapshots are the default")
    return tuple(found.values())


def _json_rows(text: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise CannotParse(_WHAT, f"not JSON ({exc})") from exc
    rows = document.get(_ROOT) if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CannotParse(_WHAT, f"it has no list of snapshots under {_ROOT!r}")
    return rows


def _csv_rows(text: str) -> list[Mapping[str, Any]]:
    """Return the rows in the types that they have in JSON."""
    if not text.endswith("\n"):
        raise CannotParse(_WHAT, "it is cut off", text[-80:])
    try:
        titles, *lines = csv.reader(io.StringIO(text), strict=True)
    except (csv.Error, ValueError) as exc:
        raise CannotParse(_WHAT, f"not CSV ({exc})") from exc
    rows: list[Mapping[str, Any]] = []
    for fields in lines:
        if len(fields) != len(titles):
            raise CannotParse(_WHAT, f"a row has {len(fields)} fields, not {len(titles)}", ",".join(fields))
        row: dict[str, Any] = dict(zip(titles, fields, strict=True))
        row["number"] = int(row["number"]) if _NUMBER.fullmatch(row.get("number", "")) else None
        for title in ("default", "active"):
            if title in row:
                row[title] = _YES_NO.get(row[title])
        if "userdata" in row:
            pairs = (pair.partition("=") for pair in row["userdata"].split(", ") if pair)
            row["userdata"] = {key: value for key, _equals, value in pairs}
        rows.append(row)
    return rows


def _snapshot(row: Mapping[str, Any]) -> Snapshot:
    number = row.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise CannotParse(_WHAT, "a snapshot has no number", str(row))
    for title, kind in (("default", bool), ("active", bool), ("description", str), ("userdata", dict | None)):
        if title in row and not isinstance(row[title], kind):
            raise CannotParse(_WHAT, f"{title} of snapshot {number} has an unknown form", str(row[title]))
    made_of = _UPDATE_OF.fullmatch(row.get("description", ""))
    unfinished = None
    if "userdata" in row:
        unfinished = (row["userdata"] or {}).get(_IN_PROGRESS, "") != ""
    return Snapshot(number, row.get("default"), row.get("active"), unfinished, int(made_of[1]) if made_of else None)
