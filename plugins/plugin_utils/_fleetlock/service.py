# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot locks on the ledger: read, decide and record in one transaction. No HTTP here."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .._errors import FlotillaError, Refused
from .._rollout.ledger import Ledger, Writer
from .books import read_books, shown
from .budget import Books, Group, admit
from .protocol import Identity, Kind, ProtocolError, is_group
from .store import LockTables

# How long (s) a lock counts when its host does not report back. Longer than any reboot with a slow firmware, a check of
# its disks and two attempts; shorter than a night, so that one dead host does not stop a fleet until somebody comes.
LEASE = 4 * 3600
# How many hosts may stay away for good before the breaker trips: one is a machine that died, two are a pattern.
MAX_LOST = 1
# How long (s) a request waits for the requests before it, when the database is slow.
QUEUE_PATIENCE = 20.0


@dataclass(frozen=True)
class Terms:
    """What a server grants. `lease`: seconds; `max_lost`: hosts. Raises Refused for what makes no sense."""

    groups: Sequence[Group]
    lease: int = LEASE
    max_lost: int = MAX_LOST

    def __post_init__(self) -> None:
        names = [one.name for one in self.groups]
        if not names or len(set(names)) != len(names):
            raise Refused("cannot serve reboot locks: name at least one group, and each of them once")
        for one in self.groups:
            if not is_group(one.name):
                raise Refused(f"cannot serve group {one.name!r}: letters, digits, '.' and '-' only")
            if one.slots < 1:
                raise Refused(f"cannot serve group {one.name} with {one.slots} slots: no host could ever reboot")
        if self.lease < 1 or self.max_lost < 0:
            raise Refused("cannot serve reboot locks: the lease is at least 1 s, and max-lost at least 0")


class LockService:
    """Grants and takes back. Raises Refused when the ledger cannot be opened."""

    def __init__(self, ledger: Ledger, terms: Terms) -> None:
        self._ledger = ledger
        self._terms = terms
        # One transaction at a time: the database has them wait for each other anyway, and SQLite not in order.
        self._turn = threading.Lock()
        with self._books(create=True) as (_writer, tables, _books):
            tables.set_groups((one.name, one.slots, one.rollout) for one in terms.groups)

    def pre_reboot(self, who: Identity) -> bool:
        """Grant a lock; return whether `who` had none. Raises ProtocolError when it may not have one."""
        with self._books() as (_writer, tables, books):
            admit(books, who)
            had = books.holds(who)
            tables.take(who.id, who.group, self._terms.lease)
            return not had

    def steady_state(self, who: Identity) -> bool:
        """Take a lock back; return whether there was one. Raises ProtocolError for a group that was never known."""
        with self._books() as (_writer, tables, books):
            had = tables.drop(who.id, who.group)
            if not had and books.group(who.group) is None:
                raise ProtocolError(Kind.UNKNOWN_GROUP, f"unknown group {who.group!r}")
            return had

    def status(self) -> dict[str, object]:
        """Return who holds what, and whether the breaker is tripped. Raises ProtocolError when that is not known."""
        with self._books() as (_writer, _tables, books):
            return shown(books)

    @contextmanager
    def _books(self, create: bool = False) -> Iterator[tuple[Writer, LockTables, Books]]:
        """One transaction. What cannot be read or recorded is refused: no lock without a record."""
        if not self._turn.acquire(timeout=QUEUE_PATIENCE):
            raise ProtocolError(Kind.LEDGER_UNAVAILABLE, "the ledger does not answer in time; no lock is granted")
        try:
            with self._ledger.write() as writer:
                tables = LockTables(writer.connection, writer.now)
                if create:
                    tables.create()
                yield writer, tables, read_books(writer, tables, self._terms.max_lost)
        except FlotillaError as exc:
            if create:
                raise  # whoever starts the server is told all of it
            # The cause may name addresses and paths: it is for the log, not for whoever asked.
            raise ProtocolError(Kind.LEDGER_UNAVAILABLE, "the ledger cannot be reached; no lock is granted") from exc
        finally:
            self._turn.release()
