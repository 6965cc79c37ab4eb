# SPDX-License-Identifier: GPL-3.0-or-later
"""The locks in the ledger's database: tables of their own, within the ledger's transactions and by its clock.

Knows nothing of the rollouts, so that their gate can ask it how many hosts hold a lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # said by the ledger, in words
    sa = None  # type: ignore[assignment]

from .._errors import Refused

SCHEMA = 1
# Every ledger has the tables since its schema 4: the gate, which asks every few seconds, need not ask for them first.
_IN_LEDGER = {"since": 4}

if sa is not None:
    tables = sa.MetaData()
    _schema = sa.Table(
        "reboot_lock_schema", tables, sa.Column("version", sa.Integer, primary_key=True), info=_IN_LEDGER
    )
    # As the server was last started with; the gate reads here whose budget a lock draws on.
    _groups = sa.Table(
        "reboot_lock_groups",
        tables,
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("rollout", sa.String(200)),
        info=_IN_LEDGER,
    )
    _locks = sa.Table(
        "reboot_locks",
        tables,
        sa.Column("group_name", sa.String(100), primary_key=True),
        sa.Column("holder", sa.String(200), primary_key=True),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        info=_IN_LEDGER,
    )
    # Every word of a human, newest last; the newest one counts.
    _breaker = sa.Table(
        "reboot_lock_breaker",
        tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("tripped", sa.Boolean, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("said_by", sa.String(300), nullable=False),
        sa.Column("forgiven", sa.Text, nullable=False),
        info=_IN_LEDGER,
    )
    # Put together once: each host asks that waits at the gate, every few seconds.
    _HELD = (
        sa.select(_locks.c.holder)
        .select_from(_locks.outerjoin(_groups, _groups.c.name == _locks.c.group_name))
        .where(
            _locks.c.lease_until >= sa.bindparam("now"),
            sa.or_(_groups.c.rollout.is_(None), _groups.c.rollout == sa.bindparam("rollout")),
        )
    )


def reboot_locks_held(connection: sa.Connection, now: int, rollout: str) -> frozenset[str]:
    """Return the ids that hold a reboot lock and so draw on the budget of `rollout`; none where no server ever ran.

    `now`: the database's clock. A lock of a group that is tied to another rollout does not count.
    """
    return frozenset(connection.scalars(_HELD, {"now": now, "rollout": rollout}))


class LockTables:
    """The locks within one transaction of the ledger. `now`: the database's clock, epoch seconds."""

    def __init__(self, connection: sa.Connection, now: int) -> None:
        self._connection = connection
        self._now = now

    def create(self) -> None:
        """Take the tables of the ledger into use. Raises Refused when they are newer than this code."""
        version = self._connection.scalar(sa.select(sa.func.max(_schema.c.version)))
        if version is None:
            self._connection.execute(_schema.insert().values(version=SCHEMA))
        elif version > SCHEMA:
            raise Refused(f"cannot use the reboot locks: schema {version} is newer than this collection's {SCHEMA}")

    def set_groups(self, groups: Iterable[tuple[str, int, str | None]]) -> None:
        """Record the groups: (name, slots, rollout). Locks of a group that is gone stay until they are given back."""
        self._connection.execute(_groups.delete())
        rows = [{"name": name, "slots": slots, "rollout": rollout} for name, slots, rollout in groups]
        self._connection.execute(_groups.insert(), rows)

    def groups(self) -> list[tuple[str, int, str | None]]:
        rows = self._connection.execute(sa.select(_groups).order_by(_groups.c.name))
        return [(row.name, row.slots, row.rollout) for row in rows]

    def locks(self) -> list[tuple[str, str, int, int]]:
        """Return every lock: (holder, group, taken at, until), oldest first, those that expired included."""
        rows = self._connection.execute(sa.select(_locks).order_by(_locks.c.taken_at, _locks.c.holder))
        return [(row.holder, row.group_name, row.taken_at, row.lease_until) for row in rows]

    def take(self, holder: str, group: str, lease: int) -> None:
        """Record that `holder` has a lock, for `lease` seconds from now; a lock that it has begins anew."""
        self.drop(holder, group)
        self._connection.execute(
            _locks.insert().values(holder=holder, group_name=group, taken_at=self._now, lease_until=self._now + lease)
        )

    def drop(self, holder: str, group: str) -> bool:
        """Record that `holder` has no lock; return whether there was one."""
        mine = (_locks.c.holder == holder, _locks.c.group_name == group)
        return bool(self._connection.execute(_locks.delete().where(*mine)).rowcount)

    def forget_lost(self) -> None:
        """Forget the locks that expired."""
        self._connection.execute(_locks.delete().where(_locks.c.lease_until < self._now))

    def breaker(self) -> dict[str, Any] | None:
        """Return the last word of a human: {tripped, why, by, at, forgiven: [[rollout id, time]]}."""
        row = self._connection.execute(sa.select(_breaker).order_by(_breaker.c.id.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        forgiven = json.loads(row.forgiven)
        return {"tripped": row.tripped, "why": row.why, "by": row.said_by, "at": row.at, "forgiven": forgiven}

    def set_breaker(self, is_tripped: bool, why: str, by: str, forgiven: Iterable[tuple[int, int]]) -> None:
        values = {"at": self._now, "tripped": is_tripped, "why": why, "said_by": by[:300]}
        self._connection.execute(_breaker.insert().values(**values, forgiven=json.dumps(sorted(forgiven))))
