# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as people read it: a document, a table, one sentence for 3 a.m. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._model.phase import BAD, GOING_BACK, Phase
from .ledger import HALTED, PAUSED, RolloutRecord, utc
from .observed import Version


def report(record: RolloutRecord, transitions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of a rollout: native types, times as text and epoch seconds."""
    planned = {one["host"]: one for wave in record.plan["waves"] for one in wave}
    return {
        "rollout": {
            "id": record.id,
            "name": record.name,
            "state": record.state,
            "why": record.why,
            "plan_digest": record.plan["digest"],
            "began": utc(record.created_at),
            "ended": utc(record.ended_at) if record.ended_at else None,
            "seconds": (record.ended_at - record.created_at) if record.ended_at else None,
        },
        "hosts": [
            {
                "host": one.host,
                "wave": one.wave,
                "from": planned[one.host]["rollback_to"],
                "to": planned[one.host]["target"],
                "phase": one.phase.value,
                "why": one.why,
                "seconds": one.left_at - one.entered_at if one.left_at and one.entered_at else None,
                "transitions": [
                    {"at": utc(row["at"]), "phase": row["phase"], "why": row["why"]}
                    for row in transitions
                    if row["host"] == one.host
                ],
            }
            for one in record.hosts
        ],
        "left_out": dict(record.plan["left_out"]),
    }


def table(document: Mapping[str, Any]) -> list[str]:
    """Return the lines of a table: host, wave, from, to, phase, seconds."""
    head = ("host", "wave", "from", "to", "phase", "seconds")
    rows = [
        (
            one["host"],
            str(one["wave"]),
            _short(one["from"]),
            _short(one["to"]),
            one["phase"],
            "-" if one["seconds"] is None else str(one["seconds"]),
        )
        for one in document["hosts"]
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    rollout = document["rollout"]
    took = "" if rollout["seconds"] is None else f", {rollout['seconds']} s"
    why = f" ({rollout['why']})" if rollout["state"] in (PAUSED, HALTED) else ""
    return [f"rollout {rollout['name']} #{rollout['id']}: {rollout['state']}{why}{took}", *lines]


def sentences(record: RolloutRecord) -> str:
    """Return why a rollout stopped: host, version, cause, evidence, and who was not touched."""
    planned = {one["host"]: one for wave in record.plan["waves"] for one in wave}
    bad = [one for one in record.hosts if one.phase in BAD]
    waves = max((one.wave for one in record.hosts), default=0)
    told = "; ".join(
        f"{one.host} is {one.phase.value} ({_short(planned[one.host]['rollback_to'])} to "
        f"{_short(planned[one.host]['target'])}): {one.why}"
        for one in bad
    )
    untouched = [one.host for one in record.hosts if one.phase in (Phase.STEADY, Phase.STAGED)]
    confirmed = [one.host for one in record.hosts if one.phase is Phase.CONFIRMED]
    where = f" in wave {max(one.wave for one in bad)} of {waves}" if bad else ""
    if record.state in (PAUSED, HALTED):
        told = "; ".join(filter(None, (record.why, told)))
    parts = [f"rollout {record.name} {record.state}{where}: {told or record.why or 'cut off'}"]
    back = [one.host for one in record.hosts if one.phase in GOING_BACK]
    if back:
        parts.append(f"still to be brought back: {', '.join(back)}")
    if untouched:
        parts.append(f"not touched: {', '.join(untouched)}")
    if confirmed:
        parts.append(f"confirmed: {', '.join(confirmed)}")
    return "; ".join(parts)


def _short(version: Mapping[str, Any]) -> str:
    return str(Version(version["digest"], version["name"]))
