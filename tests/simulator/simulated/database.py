# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ledger on a real SQLite database, whose clock is the simulation's and which can be made to fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger

from .faults import Dice, Fault
from .world import World

BEGAN = datetime(2030, 1, 1)
EPOCH = int((BEGAN - datetime(1970, 1, 1)).total_seconds())
T = TypeVar("T")


class Killed(Exception):
    """Whoever used the database was killed while it did. No error that the product knows: nothing catches it."""


class Database:
    """One ledger for all simulated controllers. `ahead`: seconds by which the database's clock is ahead of the world's.

    One connection serves them all: their transactions never overlap in simulated time, as the database would see to it.
    """

    def __init__(self, world: World, dice: Dice) -> None:
        self._world, self._dice = world, dice
        self.ahead = 0.0
        self.down_until = 0.0
        self._trouble: tuple[int, Exception] | None = None
        self._commit_is_lost = False
        self._standing, self._standing_at = (0, ""), -1
        # A file that does not exist, and is not to be made: the ledger stays in memory.
        self.ledger = Ledger("sqlite:////nowhere/simulated.sqlite", create=False)
        engine = self.ledger._database._engine
        with engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert isinstance(raw, sqlite3.Connection)
            self._raw = raw
        # SQLite asks a function of that name for its CURRENT_TIMESTAMP.
        self._raw.create_function("current_timestamp", 0, self._timestamp)
        sa.event.listen(engine, "begin", self._begun)
        sa.event.listen(engine, "before_cursor_execute", self._executing)
        sa.event.listen(engine, "commit", self._committing)

    @property
    def now(self) -> int:
        """The database's clock, in epoch seconds."""
        return EPOCH + int(self._world.now + self.ahead)

    @property
    def changes(self) -> int:
        """How many rows were ever changed: as long as it stays, no answer can have changed but by time."""
        return self._raw.total_changes

    @property
    def standing(self) -> tuple[int, str]:
        """What an answer of the gate depends on, beside time: it is the same as long as this is the same."""
        if self._raw.total_changes != self._standing_at:
            self._standing_at = self._raw.total_changes
            (row,) = self.read(
                "select (select max(id) from transitions), (select id || state from rollouts order by id desc limit 1)"
            )
            self._standing = (row[0] or 0, row[1] or "")
        return self._standing

    def read(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look into the tables, beside the ledger's own code."""
        return self._raw.execute(sql, values).fetchall()

    def use(self, call: Callable[[], T]) -> T:
        """Let a controller use the ledger, and let something go wrong. Raises Killed, and what the ledger raises."""
        fault = self._dice.at("ledger")
        # After so many statements of the transaction; in one that is shorter nothing happens.
        after = self._dice.random.randint(1, 14)
        if fault is Fault.CONTROLLER_KILLED_RECORDING:
            self._trouble = (after, Killed())
        elif fault is Fault.DATABASE_FAILS:
            self._trouble = (after, _away())
        self._commit_is_lost = fault is Fault.COMMIT_UNKNOWN
        try:
            return call()
        finally:
            self._trouble = None
            self._commit_is_lost = False

    def _timestamp(self) -> str:
        return (BEGAN + timedelta(seconds=int(self._world.now + self.ahead))).strftime("%Y-%m-%d %H:%M:%S")

    def _begun(self, _connection: sa.Connection) -> None:
        if self._world.now < self.down_until:
            raise _away()

    def _executing(self, *_args: Any) -> None:
        if self._trouble is None:
            return
        after, trouble = self._trouble
        if after > 1:
            self._trouble = (after - 1, trouble)
            return
        self._trouble = None
        self._dice.strike(Fault.CONTROLLER_KILLED_RECORDING if isinstance(trouble, Killed) else Fault.DATABASE_FAILS)
        raise trouble

    def _committing(self, _connection: sa.Connection) -> None:
        if self._commit_is_lost:
            self._commit_is_lost = False
            self._dice.strike(Fault.COMMIT_UNKNOWN)
            self._raw.commit()
            raise _away()


def _away() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("-", None, sqlite3.OperationalError("the database is away, as simulated"))
