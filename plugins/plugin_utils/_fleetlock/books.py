# SPDX-License-Identifier: GPL-3.0-or-later
"""From the tables of one transaction to the books that an answer is made from."""

from __future__ import annotations

from .._rollout.ledger import Writer
from .budget import Books, Breaker, Group, Lock, UnderWay, tripped
from .store import LockTables


def read_books(writer: Writer, tables: LockTables, max_lost: int) -> Books:
    """Return all that is on record now."""
    word = tables.breaker()
    return Books(
        groups=[Group(*row) for row in tables.groups()],
        locks=[Lock(*row) for row in tables.locks()],
        rollouts=[
            UnderWay(
                one.id,
                one.name,
                one.state,
                one.why,
                one.ended_at,
                int(one.plan["max_unavailable"]),
                frozenset(host.host for host in one.hosts),
            )
            for one in writer.under_way()
        ],
        breaker=Breaker()
        if word is None
        else Breaker(
            word["tripped"],
            word["why"],
            word["by"],
            word["at"],
            frozenset((rollout, at) for rollout, at in word["forgiven"]),
        ),
        max_lost=max_lost,
        now=writer.now,
    )


def stops(books: Books) -> frozenset[tuple[int, int]]:
    """Return the stops of rollouts that a reset of the breaker forgives: those that are on record by now."""
    return frozenset((one.id, one.ended_at or 0) for one in books.rollouts)


def shown(books: Books) -> dict[str, object]:
    """Return the books for people and monitoring: native types, times in epoch seconds by the database's clock."""
    reason = tripped(books)
    return {
        "now": books.now,
        "breaker": {"tripped": reason is not None, "reason": reason, "by": books.breaker.by or None},
        "groups": {
            one.name: {
                "slots": one.slots,
                "rollout": one.rollout,
                "away": sorted(books.away_for(one)),
            }
            for one in books.groups
        },
        "locks": [_lock(one) for one in books.locks if one.live(books.now)],
        "lost": [_lock(one) for one in books.lost()],
        "max_lost": books.max_lost,
        "rollouts": [
            {
                "name": one.name,
                "state": one.state,
                "max_unavailable": one.max_unavailable,
                "away": sorted(one.away),
            }
            for one in books.rollouts
        ],
    }


def _lock(one: Lock) -> dict[str, object]:
    return {"id": one.id, "group": one.group, "taken_at": one.taken_at, "until": one.until}
