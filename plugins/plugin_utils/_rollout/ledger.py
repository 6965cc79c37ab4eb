# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: the durable record of rollouts, shared by controllers. SQL, one code path for SQLite and PostgreSQL.

Every transition is recorded before it is acted on. Time is the database's, so that controllers with wrong clocks agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # said by Database, in words
    sa = None  # type: ignore[assignment]
else:
    from .schema import hosts as _hosts
    from .schema import quarantine as _quarantine
    from .schema import rollouts as _rollouts
    from .schema import runs as _runs
    from .schema import saved_states as _saved
    from .schema import transitions as _transitions
    from .schema import words as _words

    # Of a rollout all but its plan, which is large and never changes.
    _HEAD = sa.select(
        _rollouts.c.id,
        _rollouts.c.name,
        _rollouts.c.state,
        _rollouts.c.why,
        _rollouts.c.created_at,
        _rollouts.c.ended_at,
        _rollouts.c.revision,
        _rollouts.c.terms,
    )
    # What each host asks that waits at the gate, every few seconds: put together once.
    _NEWEST = _HEAD.where(_rollouts.c.name == sa.bindparam("name")).order_by(_rollouts.c.id.desc()).limit(1)
    _CHANGED_HOSTS = sa.select(_hosts).where(
        _hosts.c.rollout_id == sa.bindparam("rollout_id"), _hosts.c.revision > sa.bindparam("known")
    )
    _RUNS = sa.select(_runs).where(_runs.c.rollout_id == sa.bindparam("rollout_id"))
    # What each step of a turn records. (Whatever else is given besides the names below is set.)
    _MOVE = _hosts.update().where(
        _hosts.c.rollout_id == sa.bindparam("of_rollout"),
        _hosts.c.host == sa.bindparam("of_host"),
        _hosts.c.token == sa.bindparam("of_token"),
    )
    _MOVED = _transitions.insert()
    _CHANGE = _rollouts.update().where(_rollouts.c.id == sa.bindparam("of_rollout"))
    _CHANGE = _CHANGE.values(revision=_rollouts.c.revision + 1)
    _REVISION = sa.select(_rollouts.c.revision).where(_rollouts.c.id == sa.bindparam("of_rollout"))
    _IN_QUARANTINE = sa.select(_quarantine).where(_quarantine.c.released_at.is_(None))
    _THESE_IN_QUARANTINE = _IN_QUARANTINE.where(_quarantine.c.digest.in_(sa.bindparam("digests", expanding=True)))

from .._errors import FlotillaError
from .._model.phase import AWAY, IN_FLIGHT, Phase, may_go
from .database import Database, LedgerGone, clock
from .near import host_record, near, place, terms
from .plan import Quarantined, canonical
from .record import DONE, HALTED, OPEN, PAUSED, STOPPED, SUPERSEDED, HostRecord, RolloutRecord, utc

__all__ = [
    "DONE",
    "HALTED",
    "OPEN",
    "PAUSED",
    "STOPPED",
    "SUPERSEDED",
    "HostRecord",
    "Ledger",
    "LedgerGone",
    "RolloutRecord",
    "Writer",
    "utc",
]

# A sign of life is recorded at most this often (s): hosts that wait ask every few seconds.
HEARTBEAT = 60


@dataclass
class _Known:
    """What this process has read of a rollout, so that it need not read it again: true as of `revision`.

    `at`: by the database's clock, where what was read depends on it.
    """

    revision: int
    record: RolloutRecord
    hosts: dict[str, HostRecord] = field(default_factory=dict)
    at: int = 0


# The whole rollout of a number, or what is near one of its hosts.
_Key = int | tuple[int, str]


class Ledger:
    """The ledger behind a database URL. Raises Refused when it cannot be opened; LedgerGone, when the database does not
    answer.

    `create`: make the file of an SQLite ledger where there is none. Without, such a ledger is empty and stays nowhere.
    """

    def __init__(self, url: str, create: bool = True) -> None:
        self._database = Database(url, create)
        self._known: dict[_Key, _Known] = {}

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One transaction that nobody else writes beside: read, decide, record. Raises LedgerGone, FlotillaError."""
        with self._database.write() as connection:
            yield Writer(connection, self._known)

    def rollout(self, name: str) -> RolloutRecord | None:
        """Return the newest rollout of that name."""
        with self._database.read() as connection:
            return Writer(connection, self._known).rollout(name)

    def rollout_by_id(self, rollout_id: int) -> RolloutRecord | None:
        """Return the rollout of that number."""
        with self._database.read() as connection:
            return Writer(connection, self._known).rollout_by_id(rollout_id)

    def rollouts(self) -> list[dict[str, Any]]:
        """Return every rollout, newest first: id, name, state, why, created_at, ended_at, phases (to hosts)."""
        counts = sa.select(_hosts.c.rollout_id, _hosts.c.phase, sa.func.count()).group_by(
            _hosts.c.rollout_id, _hosts.c.phase
        )
        names = ("id", "name", "state", "why", "created_at", "ended_at")
        query = sa.select(*(_rollouts.c[name] for name in names)).order_by(_rollouts.c.id.desc())
        with self._database.read() as connection:
            phases: dict[int, dict[str, int]] = {}
            for rollout_id, phase, count in connection.execute(counts):
                phases.setdefault(rollout_id, {})[phase] = count
            return [{**row._mapping, "phases": phases.get(row.id, {})} for row in connection.execute(query)]

    def quarantine(self) -> dict[str, Quarantined]:
        """Return what is in quarantine, by digest."""
        with self._database.read() as connection:
            return Writer(connection, self._known).quarantine()

    def transitions(self, rollout_id: int) -> list[dict[str, Any]]:
        """Return every transition of a rollout, oldest first."""
        query = sa.select(_transitions).where(_transitions.c.rollout_id == rollout_id).order_by(_transitions.c.id)
        with self._database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def words(self, rollout_id: int) -> list[dict[str, Any]]:
        """Return what people have told a rollout, oldest first: at, word, who, why."""
        columns = (_words.c.at, _words.c.word, _words.c.who, _words.c.why)
        query = sa.select(*columns).where(_words.c.rollout_id == rollout_id).order_by(_words.c.id)
        with self._database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


class Writer:
    """What can be done within one transaction.

    Whatever changes a rollout or one of its hosts begins with `_change`: others learn of it by the new revision only.
    """

    def __init__(self, connection: sa.Connection, known: dict[_Key, _Known]) -> None:
        self._connection = connection
        self._known = known
        self._changed: dict[int, int] = {}
        self.now = clock(connection)

    @property
    def connection(self) -> sa.Connection:
        """The connection of this transaction, for records beside the rollouts that are decided together with them."""
        return self._connection

    def rollout(self, name: str) -> RolloutRecord | None:
        """Return the newest rollout of that name. Only what has changed since the last look is read."""
        return self._read(_NEWEST, name=name)

    def near(self, name: str, host: str) -> RolloutRecord | None:
        """Return the newest rollout of that name with what the gate's answer for `host` depends on, and no more: its
        own record, who is in the middle of a turn or failed, what tells whether the waves before it are done."""
        row = self._connection.execute(_NEWEST, {"name": name}).one_or_none()
        if row is None or row.terms is None:
            return self.rollout(name)
        known = self._known.get((row.id, host))
        if known is not None and known.revision == row.revision and known.at <= self.now:
            return known.record
        record = near(self._connection, row, host, self.now)
        if row.id not in self._changed:
            self._known[row.id, host] = _Known(row.revision, record, at=self.now)
        return record

    def rollout_by_id(self, rollout_id: int) -> RolloutRecord | None:
        """Return the rollout of that number."""
        return self._read(_HEAD.where(_rollouts.c.id == rollout_id))

    def _read(self, head: sa.Select[Any], **values: object) -> RolloutRecord | None:
        row = self._connection.execute(head, values).one_or_none()
        if row is None:
            return None
        known = self._known.get(row.id)
        # A revision that went backwards is another database in the place of the one that was read.
        if known is not None and known.revision > row.revision:
            known = None
        if known is not None and known.revision == row.revision:
            return known.record
        if known is None:
            plan = json.loads(
                self._connection.execute(sa.select(_rollouts.c.plan).where(_rollouts.c.id == row.id)).scalar_one()
            )
            hosts = {}
        else:
            plan = known.record.plan
            hosts = dict(known.hosts)
        changed = {"rollout_id": row.id, "known": -1 if known is None else known.revision}
        hosts.update((one.host, host_record(one)) for one in self._connection.execute(_CHANGED_HOSTS, changed))
        inorder = tuple(sorted(hosts.values(), key=lambda one: (one.wave, one.position)))
        record = RolloutRecord(row.id, row.name, row.state, row.why, plan, row.created_at, row.ended_at, inorder)
        if row.id not in self._changed:
            # (What this transaction has changed is not true before it is committed.)
            self._known[row.id] = _Known(row.revision, record, hosts)
        return record

    def _change(self, rollout_id: int) -> int:
        """Begin a change of a rollout or its hosts; return its revision, the same for a whole transaction."""
        if rollout_id not in self._changed:
            mine = {"of_rollout": rollout_id}
            self._connection.execute(_CHANGE, mine)
            found = self._connection.execute(_REVISION, mine).scalar_one()
            self._changed[rollout_id] = int(found)
        return self._changed[rollout_id]

    def under_way(self) -> list[RolloutRecord]:
        """Return the newest rollout of each name, where that is not over. `hosts`: only those that are away: in flight,
        and while the rollout is open also those that are not known to be up."""
        newest = sa.select(sa.func.max(_rollouts.c.id)).group_by(_rollouts.c.name)
        names = (
            sa.select(_rollouts.c.name)
            .where(_rollouts.c.id.in_(newest), _rollouts.c.state.notin_((DONE, SUPERSEDED)))
            .order_by(_rollouts.c.id)
        )
        found = []
        for name in self._connection.scalars(names).all():
            one = self.rollout(name)
            if one is not None:
                phases = AWAY if one.state == OPEN else IN_FLIGHT
                found.append(replace(one, hosts=tuple(host for host in one.hosts if host.phase in phases)))
        return found

    def open_rollout(self, name: str, plan: Mapping[str, Any]) -> int:
        """Record a new rollout with every host of `plan`, steady; return its id."""
        result = self._connection.execute(
            _rollouts.insert().values(
                name=name, state=OPEN, plan=canonical(plan), terms=canonical(terms(plan)), created_at=self.now
            )
        )
        key = result.inserted_primary_key
        if key is None:
            raise FlotillaError("internal error: the database gave the rollout no number")
        rollout_id = int(key[0])
        self._changed[rollout_id] = 0
        rows = [
            {
                "rollout_id": rollout_id,
                "host": one["host"],
                "wave": one["wave"],
                "position": position,
                "target": one["target"]["digest"],
                "phase": Phase.STEADY.value,
                "token": 0,
                "place": canonical(place(plan, one)),
            }
            for position, one in enumerate(one for wave in plan["waves"] for one in wave)
        ]
        if rows:
            self._connection.execute(_hosts.insert(), rows)
        # What is still to be brought back goes with the host.
        mine = sa.select(_hosts.c.host).where(_hosts.c.rollout_id == rollout_id)
        older = sa.select(_rollouts.c.id).where(_rollouts.c.name == name)
        self._connection.execute(
            _saved.update()
            .where(_saved.c.subject.in_(mine), _saved.c.rollout_id.in_(older))
            .values(rollout_id=rollout_id)
        )
        return rollout_id

    def set_state(self, rollout_id: int, state: str, why: str | None) -> None:
        self._change(rollout_id)
        ended = None if state in (OPEN, PAUSED) else self.now
        self._connection.execute(
            _rollouts.update().where(_rollouts.c.id == rollout_id).values(state=state, why=why, ended_at=ended)
        )

    def move(self, rollout: RolloutRecord, host: str, phase: Phase, why: str, by: str, **values: Any) -> None:
        """Record that `host` goes to `phase`, as `by` says.

        Raises FlotillaError for a way not in the table, and when the lease has another token than in `rollout`: then
        somebody else has the host.
        """
        record = next(one for one in rollout.hosts if one.host == host)
        if not may_go(record.phase, phase):
            raise FlotillaError(f"internal error: {host} cannot go from {record.phase.value} to {phase.value}")
        revision = self._change(rollout.id)
        mine = {"of_rollout": rollout.id, "of_host": host, "of_token": record.token}
        result = self._connection.execute(
            _MOVE, {**mine, "phase": phase.value, "why": why, "revision": revision, **values}
        )
        if result.rowcount != 1:
            raise FlotillaError(f"cannot record that {host} is {phase.value}: lease {record.token} was taken over")
        moved = {"rollout_id": rollout.id, "host": host, "at": self.now, "why": why, "controller": by}
        self._connection.execute(_MOVED, {**moved, "phase_before": record.phase.value, "phase": phase.value})

    def take(self, rollout_id: int, host: str, controller: str, seconds: int) -> None:
        """Record that `controller` has `host` in hand for so long, by a new lease; its phase stays."""
        revision = self._change(rollout_id)
        self._connection.execute(
            _hosts.update()
            .where(_hosts.c.rollout_id == rollout_id, _hosts.c.host == host)
            .values(
                controller=controller,
                token=_hosts.c.token + 1,
                lease_until=self.now + seconds,
                revision=revision,
            )
        )

    def permit(self, rollout_id: int, host: str, token: int, within: int, lease: int) -> None:
        """Record that `host` may be told to reboot within so many seconds from now, by lease `token`, which ends
        `lease` seconds from now. Raises FlotillaError when that lease is over."""
        revision = self._change(rollout_id)
        result = self._connection.execute(
            _hosts.update()
            .where(_hosts.c.rollout_id == rollout_id, _hosts.c.host == host, _hosts.c.token == token)
            .values(lease_until=self.now + lease, permitted_until=self.now + within, revision=revision)
        )
        if result.rowcount != 1:
            raise FlotillaError(f"cannot prolong lease {token} of {host}: it was taken over")

    def let_go(self, rollout_id: int, host: str) -> None:
        """Record that nobody has `host` in hand; its phase stays."""
        revision = self._change(rollout_id)
        self._connection.execute(
            _hosts.update()
            .where(_hosts.c.rollout_id == rollout_id, _hosts.c.host == host)
            .values(controller=None, lease_until=None, revision=revision)
        )

    def join(self, rollout_id: int, controller: str, seen_at: int = 0) -> None:
        """Record that the run of `controller` takes part in a rollout, and that it lives.

        `seen_at`: when that was recorded last, as `runs` has it.
        """
        if seen_at > self.now - HEARTBEAT:
            return
        self.part(rollout_id, controller)
        values = {"rollout_id": rollout_id, "controller": controller, "seen_at": self.now}
        self._connection.execute(_runs.insert().values(values))

    def part(self, rollout_id: int, controller: str) -> bool:
        """Record that `controller` takes no part any more; return whether it did."""
        result = self._connection.execute(
            _runs.delete().where(_runs.c.rollout_id == rollout_id, _runs.c.controller == controller)
        )
        return bool(result.rowcount)

    def runs(self, rollout_id: int) -> dict[str, int]:
        """Return who takes part in a rollout: controller to the time when it was last heard of."""
        rows = self._connection.execute(_RUNS, {"rollout_id": rollout_id})
        return {row.controller: row.seen_at for row in rows}

    def note_word(self, rollout_id: int, word: str, who: str, why: str) -> None:
        """Record what a person has told a rollout."""
        values = {"rollout_id": rollout_id, "at": self.now, "word": word, "who": who, "why": why}
        self._connection.execute(_words.insert().values(values))

    def save(self, rollout_id: int, subject: str, state: Mapping[str, Any]) -> None:
        """Record what `subject` (a host) was like before, over an earlier record."""
        self.forget(rollout_id, subject)
        values = {"rollout_id": rollout_id, "subject": subject, "state": canonical(state)}
        self._connection.execute(_saved.insert().values(values))

    def saved(self, rollout_id: int, subject: str) -> dict[str, Any] | None:
        """Return what was saved; None when nothing is to be brought back."""
        query = sa.select(_saved.c.state).where(_saved.c.rollout_id == rollout_id, _saved.c.subject == subject)
        text = self._connection.scalar(query)
        return None if text is None else dict(json.loads(text))

    def left_drained(self, name: str) -> dict[str, int]:
        """Return of which hosts something was saved in a rollout of that name: host to the rollout that has it."""
        query = sa.select(_saved.c.subject, _saved.c.rollout_id).where(
            _saved.c.rollout_id.in_(sa.select(_rollouts.c.id).where(_rollouts.c.name == name))
        )
        return {row.subject: row.rollout_id for row in self._connection.execute(query)}

    def forget(self, rollout_id: int, subject: str) -> None:
        """Forget what was saved: it has been brought back."""
        self._connection.execute(_saved.delete().where(_saved.c.rollout_id == rollout_id, _saved.c.subject == subject))

    def quarantine(self, *digests: str) -> dict[str, Quarantined]:
        """Return what is in quarantine, by digest; of `digests` only, where some are given."""
        if digests:
            rows = self._connection.execute(_THESE_IN_QUARANTINE, {"digests": digests})
        else:
            rows = self._connection.execute(_IN_QUARANTINE)
        return {row.digest: Quarantined(row.digest, row.version, row.host, row.reason, utc(row.at)) for row in rows}

    def put_in_quarantine(self, digest: str, version: str | None, host: str, reason: str) -> None:
        if digest not in self.quarantine(digest):
            self._connection.execute(
                _quarantine.insert().values(digest=digest, version=version, host=host, reason=reason, at=self.now)
            )

    def release(self, digest: str, who: str) -> bool:
        """Take `digest` out of quarantine; return whether it was in."""
        result = self._connection.execute(
            _quarantine.update()
            .where(_quarantine.c.digest == digest, _quarantine.c.released_at.is_(None))
            .values(released_at=self.now, released_by=who)
        )
        return bool(result.rowcount)
