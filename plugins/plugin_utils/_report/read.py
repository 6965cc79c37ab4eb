# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts out of the ledger, as documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import Refused
from .._model.phase import Phase
from .._rollout.ledger import Ledger, RolloutRecord, utc
from .._rollout.report import report, table


def read(ledger: Ledger, name: str, rollout_id: int | None) -> dict[str, Any] | None:
    """Return the document of the newest rollout of that name, or of the one with that number; None without any.

    Raises Refused when a number was asked for and there is no such rollout.
    """
    if rollout_id is None:
        record = ledger.rollout(name)
        return None if record is None else _document(ledger, record)
    record = ledger.rollout_by_id(rollout_id)
    if record is None:
        raise Refused(f"cannot read rollout #{rollout_id}: the ledger has none of that number")
    return _document(ledger, record)


def info(options: Mapping[str, Any]) -> dict[str, Any]:
    """Answer `rollout_info`: `report`, `reports`, `words`, `table`, `rollouts`, `quarantine`. Raises Refused."""
    if options["id"] is not None and options["which"] == "all":
        raise Refused("cannot read one rollout and all of them: set id, or which: all")
    ledger = Ledger(options["ledger"], create=False)
    listed = ledger.rollouts()
    if options["which"] == "all":
        records = [ledger.rollout_by_id(one["id"]) for one in listed if one["name"] == options["name"]]
        reports = [_document(ledger, one) for one in records if one is not None]
    else:
        newest = read(ledger, options["name"], options["id"])
        reports = [] if newest is None else [newest]
    return {
        "report": reports[0] if reports else None,
        "reports": reports,
        "words": _words(ledger, reports[0]["rollout"]["id"]) if reports else [],
        "table": [line for one in reports for line in table(one)],
        "rollouts": [_line(one) for one in listed],
        "quarantine": list(ledger.quarantine().values()),
    }


def _document(ledger: Ledger, record: RolloutRecord) -> dict[str, Any]:
    return report(record, ledger.transitions(record.id))


def _words(ledger: Ledger, rollout_id: int) -> list[dict[str, Any]]:
    return [{**word, "at": utc(word["at"])} for word in ledger.words(rollout_id)]


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    phases = {phase.value: row["phases"].get(phase.value, 0) for phase in Phase}
    return {
        "id": row["id"],
        "name": row["name"],
        "state": row["state"],
        "why": row["why"],
        "began": utc(row["created_at"]),
        "ended": utc(row["ended_at"]) if row["ended_at"] else None,
        "phases": {phase: count for phase, count in phases.items() if count},
    }
