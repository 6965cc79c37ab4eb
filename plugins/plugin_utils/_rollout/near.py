# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate's answer for one host depends on, read from the ledger without the rest of the fleet.

A fleet of 10,000 asks at least 10,000 times, each time in a new process: what a question reads must not grow with the
fleet. It is what is not as the plan wants it to be (the budgets keep that small), of the waves before the host a few
that have not had their turn and the proof that others had it, and of the plan what was agreed on and the places of
those hosts. The gate says the same as with the whole record; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # said by the database, in words
    sa = None  # type: ignore[assignment]
else:
    from .schema import hosts as _hosts

from .._model.phase import BAD, Phase
from .record import HostRecord, RolloutRecord

# The phases that most hosts are in: those before and after their turn.
_QUIET = (Phase.STEADY, Phase.STAGED, Phase.CONFIRMED)
_RESTLESS = tuple(phase.value for phase in Phase if phase not in _QUIET)
# The gate names at most five.
_NAMED = 5


def terms(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plan document says of the rollout as a whole: all that does not grow with its hosts."""
    return {name: value for name, value in plan.items() if name not in ("waves", "left_out", "groups")}


def place(plan: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plan document says of a host (`one` is its entry), with the budgets of its groups."""
    groups = one.get("groups") or {}
    return {**one, "budgets": {label: plan["groups"][label][value] for label, value in groups.items()}}


def near(connection: sa.Connection, row: Any, host: str, now: int) -> RolloutRecord:
    """Return the rollout of `row` with the hosts, and of its plan the parts, that the answer for `host` depends on.

    `row`: of the table rollouts, with its `terms`. `now`: the database's clock, which must not go back while the
    record is used.
    """
    agreed = json.loads(row.terms)
    found = {one.host: one for one in _rows(connection, row.id, host, agreed.get("soak") or (), now)}
    inorder = sorted(found.values(), key=lambda one: (one.wave, one.position))
    plan = {**agreed, **_places([json.loads(one.place) for one in inorder])}
    hosts = tuple(map(host_record, inorder))
    return RolloutRecord(row.id, row.name, row.state, row.why, plan, row.created_at, row.ended_at, hosts)


def host_record(row: sa.Row[Any]) -> HostRecord:
    """Read a row of the table of hosts."""
    return HostRecord(
        row.host,
        row.wave,
        row.position,
        row.target,
        Phase(row.phase),
        row.why,
        row.controller,
        row.token,
        row.lease_until,
        row.entered_at,
        row.left_at,
        row.permitted_until,
    )


def _rows(
    connection: sa.Connection, rollout_id: int, host: str, soaks: Sequence[int], now: int
) -> Iterator[sa.Row[Any]]:
    mine = sa.select(_hosts).where(_hosts.c.rollout_id == rollout_id)
    me = connection.execute(mine.where(_hosts.c.host == host)).one_or_none()
    if me is None:
        return
    yield me
    begun = connection.execute(mine.where(_hosts.c.phase.in_(_RESTLESS))).all()
    yield from begun
    if me.wave == 1:
        return

    def earlier(phase: Phase, wave: int, most: int) -> Sequence[sa.Row[Any]]:
        some = _before(rollout_id, phase, wave).order_by(_hosts.c.wave, _hosts.c.position)
        return connection.execute(some.limit(most)).all()

    unfinished = [one for one in begun if one.wave < me.wave and Phase(one.phase) not in BAD]
    unfinished += earlier(Phase.STEADY, me.wave, _NAMED)
    unfinished += earlier(Phase.STAGED, me.wave, _NAMED)
    yield from unfinished
    # Those that the host waits for may themselves wait for the waves before them.
    for wave in {me.wave, *(one.wave for one in unfinished)}:
        yield from earlier(Phase.CONFIRMED, wave, 1)
        soak = soaks[wave - 2] if wave > 1 and soaks else 0
        if soak:
            confirmed = _before(rollout_id, Phase.CONFIRMED, wave)
            lately = confirmed.where(_hosts.c.left_at > now - soak).order_by(_hosts.c.left_at.desc())
            yield from connection.execute(lately.limit(1))
            yield from connection.execute(confirmed.where(_hosts.c.left_at.is_(None)).limit(1))


def _before(rollout_id: int, phase: Phase, wave: int) -> sa.Select[Any]:
    return sa.select(_hosts).where(
        _hosts.c.rollout_id == rollout_id, _hosts.c.phase == phase.value, _hosts.c.wave < wave
    )


def _places(places: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the parts of a plan document that hosts make up."""
    groups: dict[str, dict[str, Any]] = {}
    hosts = []
    for one in places:
        for label, budget in one.pop("budgets").items():
            groups.setdefault(label, {})[one["groups"][label]] = budget
        hosts.append(one)
    return {"waves": [hosts], "groups": groups}
