# SPDX-License-Identifier: GPL-3.0-or-later
"""The breaker by hand: one word of a human stops all reboots that the lock server would grant."""

from __future__ import annotations

from .._model.outcome import Outcome
from .._rollout.controller import this_controller
from .._rollout.ledger import Ledger
from .books import read_books, stops
from .budget import tripped
from .store import LockTables


def by_hand(url: str, trip: bool, reason: str | None, check: bool) -> Outcome:
    """Trip or reset the breaker of the ledger at `url`. Raises FlotillaError.

    A reset forgives the rollouts that are stopped now, and forgets the hosts that never reported back.
    """
    by, why = this_controller(), reason or "reset"
    with Ledger(url, create=not check).write() as writer:
        kept = writer.connection.begin_nested()
        tables = LockTables(writer.connection, writer.now)
        tables.create()
        # Whatever may be wrong is set right by a reset, also what the server still puts up with.
        books = read_books(writer, tables, max_lost=0)
        before = tripped(books)
        changed = not books.breaker.tripped if trip else before is not None
        if changed:
            tables.set_breaker(trip, why, by, books.breaker.forgiven if trip else stops(books))
            if not trip:
                tables.forget_lost()
        if check:
            kept.rollback()
    after = before
    if changed:
        after = f"{why} (tripped by {by})" if trip else None
    now = f"the breaker is {'tripped' if trip else 'reset'}"
    return Outcome(
        changed=changed,
        why=f"{now}: {after}" if after else now,
        returns={"reason": after},
        before={"breaker": before},
        after={"breaker": after},
    )
