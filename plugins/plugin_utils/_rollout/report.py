# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as people read it: a document, a table, one sentence for 3 a.m. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .._model.phase import BAD, GOING_BACK, IN_FLIGHT, Phase
from .ledger import HALTED, PAUSED, RolloutRecord, utc
from .observed import Version

# The version of the document's shape (docs/schemas/rollout-report.schema.json). It grows when a key goes or changes its
# meaning; a key that is added leaves it as it is.
FORMAT = 1

# What a host runs is told by its phase, where that is proof. In every other phase nobody knows, and we do not guess: a
# guarded host may be on its way down already.
_RUNS_OLD = frozenset({Phase.STEADY, Phase.STAGED, Phase.ROLLED_BACK})
_RUNS_NEW = frozenset({Phase.BOOTED, Phase.HEALTHY, Phase.CONFIRMED, Phase.RECALLED})


def report(record: RolloutRecord, transitions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document of a rollout: native types, times as text and as epoch seconds by the database's clock."""
    planned = {one["host"]: one for wave in record.plan["waves"] for one in wave}
    history: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in transitions:
        history[row["host"]].append(
            {
                "at": utc(row["at"]),
                "epoch": row["at"],
                "from": row["phase_before"],
                "phase": row["phase"],
                "why": row["why"],
                "by": row["controller"],
            }
        )
    hosts = [
        {
            "host": one.host,
            "wave": one.wave,
            "wave_why": planned[one.host]["why"],
            "from": planned[one.host]["rollback_to"],
            "to": planned[one.host]["target"],
            "runs": _runs(one.phase, planned[one.host]),
            "phase": one.phase.value,
            "why": one.why,
            "verdict": _verdict(one.phase),
            "seconds": one.left_at - one.entered_at if one.left_at and one.entered_at else None,
            "transitions": history[one.host],
        }
        for one in record.hosts
    ]
    return {
        "format": FORMAT,
        "rollout": {
            "id": record.id,
            "name": record.name,
            "state": record.state,
            "why": record.why,
            "plan_digest": record.plan["digest"],
            "began": utc(record.created_at),
            "began_epoch": record.created_at,
            "ended": utc(record.ended_at) if record.ended_at else None,
            "ended_epoch": record.ended_at,
            "seconds": (record.ended_at - record.created_at) if record.ended_at else None,
            "controllers": sorted({row["controller"] for row in transitions if row["controller"]}),
            "policy": record.plan["policy"],
            "max_unavailable": record.plan["max_unavailable"],
            "max_failures": record.plan["max_failures"],
        },
        "summary": summary(Counter(one.phase for one in record.hosts), len(record.plan["left_out"])),
        "hosts": hosts,
        "left_out": dict(record.plan["left_out"]),
    }


def summary(phases: Mapping[Phase, int], left_out: int) -> dict[str, int]:
    """Return how many hosts take part, and how they stand, out of how many are in which phase."""
    return {
        "hosts": sum(phases.values()),
        "confirmed": phases.get(Phase.CONFIRMED, 0),
        "bad": sum(phases.get(one, 0) for one in BAD),
        "in_flight": sum(phases.get(one, 0) for one in IN_FLIGHT),
        "not_touched": phases.get(Phase.STEADY, 0) + phases.get(Phase.STAGED, 0),
        "left_out": left_out,
    }


def _runs(phase: Phase, planned: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the version that a host runs, as its phase proves; None where it proves nothing."""
    if phase in _RUNS_NEW:
        return planned["target"]  # type: ignore[no-any-return]
    return planned["rollback_to"] if phase in _RUNS_OLD else None


def _verdict(phase: Phase) -> str:
    """Return what became of the target on a host: good, bad, or pending where nobody has judged yet."""
    if phase is Phase.CONFIRMED:
        return "good"
    return "bad" if phase in BAD else "pending"


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
