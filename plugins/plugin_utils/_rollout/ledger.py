# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: the durable record of rollouts, shared by controllers. SQL, one code path for SQLite and PostgreSQL.

Every transition is recorded before it is acted on. Time is the database's, so that controllers with wrong clocks agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # said by Ledger, in words
    sa = None  # type: ignore[assignment]

from .._errors import FlotillaError, Refused
from .._model.phase import AWAY, IN_FLIGHT, Phase, may_go
from .plan import Quarantined, canonical

SCHEMA = 1
# How long (s) a writer waits for another one before it gives up.
BUSY_TIMEOUT = 30
# A sign of life is recorded at most this often (s): hosts that wait ask every few seconds.
HEARTBEAT = 60

if sa is not None:
    _tables = sa.MetaData()
    _schema = sa.Table("flotilla_schema", _tables, sa.Column("version", sa.Integer, primary_key=True))
    _rollouts = sa.Table(
        "rollouts",
        _tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(200), nullable=False, index=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    _hosts = sa.Table(
        "rollout_hosts",
        _tables,
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("host", sa.String(255), primary_key=True),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("controller", sa.String(300)),
        sa.Column("token", sa.Integer, nullable=False, default=0),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("entered_at", sa.BigInteger),
        sa.Column("left_at", sa.BigInteger),
    )
    _transitions = sa.Table(
        "transitions",
        _tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), nullable=False, index=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("phase_before", sa.String(20), nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("controller", sa.String(300)),
    )
    # Who takes part: the ansible-playbook runs that planned or resumed a rollout and have not ended it yet.
    _runs = sa.Table(
        "rollout_runs",
        _tables,
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("controller", sa.String(300), primary_key=True),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    _quarantine = sa.Table(
        "quarantine",
        _tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(255), nullable=False, index=True),
        sa.Column("version", sa.String(255)),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("released_at", sa.BigInteger),
        sa.Column("released_by", sa.String(300)),
    )

OPEN, STOPPED, DONE, SUPERSEDED = "open", "stopped", "done", "superseded"


@dataclass(frozen=True)
class HostRecord:
    """Where a host stands, as recorded. Times are epoch seconds by the database's clock."""

    host: str
    wave: int
    position: int
    target: str
    phase: Phase
    why: str | None
    controller: str | None
    token: int
    lease_until: int | None
    entered_at: int | None
    left_at: int | None


@dataclass(frozen=True)
class RolloutRecord:
    """A rollout, as recorded. `state`: open, stopped (failures; a re-run may reopen it), done, superseded."""

    id: int
    name: str
    state: str
    why: str | None
    plan: Mapping[str, Any]
    created_at: int
    ended_at: int | None
    hosts: tuple[HostRecord, ...]


class Ledger:
    """The ledger behind a database URL. Raises Refused when it cannot be opened.

    `create`: make the file of an SQLite ledger where there is none. Without, such a ledger is empty and stays nowhere.
    """

    def __init__(self, url: str, create: bool = True) -> None:
        if sa is None:
            raise Refused(
                "cannot open the ledger: SQLAlchemy 2 is not installed on the controller (pip install SQLAlchemy)"
            )
        try:
            parsed = sa.make_url(url)
            pool: type[sa.Pool] = sa.NullPool
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                path = Path(parsed.database).expanduser()
                parsed = parsed.set(database=str(path))
                if create:
                    path.parent.mkdir(parents=True, exist_ok=True)
                elif not path.exists():
                    parsed, pool = sa.make_url("sqlite://"), sa.StaticPool
            self._engine = sa.create_engine(parsed, poolclass=pool)
            if parsed.get_backend_name() == "sqlite":
                _tune_sqlite(self._engine)
            self._migrate()
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as exc:
            raise Refused(f"cannot open the ledger {_without_password(url)}: {_first_line(exc)}") from exc

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            _tables.create_all(connection)
            version = connection.scalar(sa.select(sa.func.max(_schema.c.version)))
            if version is None:
                connection.execute(_schema.insert().values(version=SCHEMA))
            elif version > SCHEMA:
                raise Refused(f"cannot use the ledger: its schema {version} is newer than this collection's {SCHEMA}")

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One transaction that nobody else writes beside: read, decide, record."""
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name != "sqlite":
                    connection.execute(sa.text("LOCK TABLE rollouts IN EXCLUSIVE MODE"))
                yield Writer(connection)
        except sa.exc.SQLAlchemyError as exc:
            raise FlotillaError(f"cannot write to the ledger: {_first_line(exc)}") from exc

    def rollout(self, name: str) -> RolloutRecord | None:
        """Return the newest rollout of that name."""
        with self.write() as writer:
            return writer.rollout(name)

    def quarantine(self) -> dict[str, Quarantined]:
        """Return what is in quarantine, by digest."""
        with self.write() as writer:
            return writer.quarantine()

    def transitions(self, rollout_id: int) -> list[dict[str, Any]]:
        """Return every transition of a rollout, oldest first."""
        query = sa.select(_transitions).where(_transitions.c.rollout_id == rollout_id).order_by(_transitions.c.id)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


class Writer:
    """What can be done within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        now = connection.scalar(sa.select(sa.func.current_timestamp()))
        if not isinstance(now, datetime):
            raise FlotillaError(f"internal error: the database's clock says {now!r}")
        self.now = int((now if now.tzinfo else now.replace(tzinfo=timezone.utc)).timestamp())

    @property
    def connection(self) -> sa.Connection:
        """The connection of this transaction, for records beside the rollouts that are decided together with them."""
        return self._connection

    def rollout(self, name: str) -> RolloutRecord | None:
        query = sa.select(_rollouts).where(_rollouts.c.name == name).order_by(_rollouts.c.id.desc()).limit(1)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        hosts = self._connection.execute(
            sa.select(_hosts).where(_hosts.c.rollout_id == row.id).order_by(_hosts.c.wave, _hosts.c.position)
        )
        return RolloutRecord(
            row.id,
            row.name,
            row.state,
            row.why,
            json.loads(row.plan),
            row.created_at,
            row.ended_at,
            tuple(_host_record(one) for one in hosts),
        )

    def under_way(self) -> list[RolloutRecord]:
        """Return the newest rollout of each name, where that is not over. `hosts`: only those that are away: in flight,
        and while the rollout is open also those that are not known to be up."""
        newest = sa.select(sa.func.max(_rollouts.c.id)).group_by(_rollouts.c.name)
        query = (
            sa.select(_rollouts)
            .where(_rollouts.c.id.in_(newest), _rollouts.c.state.notin_((DONE, SUPERSEDED)))
            .order_by(_rollouts.c.id)
        )
        found = []
        for row in self._connection.execute(query).all():
            phases = AWAY if row.state == OPEN else IN_FLIGHT
            hosts = sa.select(_hosts).where(
                _hosts.c.rollout_id == row.id, _hosts.c.phase.in_(sorted(one.value for one in phases))
            )
            found.append(
                RolloutRecord(
                    row.id,
                    row.name,
                    row.state,
                    row.why,
                    json.loads(row.plan),
                    row.created_at,
                    row.ended_at,
                    tuple(_host_record(one) for one in self._connection.execute(hosts)),
                )
            )
        return found

    def open_rollout(self, name: str, plan: Mapping[str, Any]) -> int:
        """Record a new rollout with every host of `plan`, steady; return its id."""
        result = self._connection.execute(
            _rollouts.insert().values(name=name, state=OPEN, plan=canonical(plan), created_at=self.now)
        )
        key = result.inserted_primary_key
        if key is None:
            raise FlotillaError("internal error: the database gave the rollout no number")
        rollout_id = int(key[0])
        rows = [
            {
                "rollout_id": rollout_id,
                "host": one["host"],
                "wave": one["wave"],
                "position": position,
                "target": one["target"]["digest"],
                "phase": Phase.STEADY.value,
                "token": 0,
            }
            for position, one in enumerate(one for wave in plan["waves"] for one in wave)
        ]
        if rows:
            self._connection.execute(_hosts.insert(), rows)
        return rollout_id

    def set_state(self, rollout_id: int, state: str, why: str | None) -> None:
        ended = None if state == OPEN else self.now
        self._connection.execute(
            _rollouts.update().where(_rollouts.c.id == rollout_id).values(state=state, why=why, ended_at=ended)
        )

    def move(self, rollout: RolloutRecord, host: str, phase: Phase, why: str, by: str, **values: Any) -> None:
        """Record that `host` goes to `phase`, as `by` says. Raises FlotillaError for a way not in the table."""
        record = next(one for one in rollout.hosts if one.host == host)
        if not may_go(record.phase, phase):
            raise FlotillaError(f"internal error: {host} cannot go from {record.phase.value} to {phase.value}")
        self._connection.execute(
            _hosts.update()
            .where(_hosts.c.rollout_id == rollout.id, _hosts.c.host == host)
            .values(phase=phase.value, why=why, **values)
        )
        self._connection.execute(
            _transitions.insert().values(
                rollout_id=rollout.id,
                host=host,
                at=self.now,
                phase_before=record.phase.value,
                phase=phase.value,
                why=why,
                controller=by,
            )
        )

    def take(self, rollout_id: int, host: str, controller: str, seconds: int) -> None:
        """Record that `controller` has `host` in hand for so long; its phase stays."""
        self._connection.execute(
            _hosts.update()
            .where(_hosts.c.rollout_id == rollout_id, _hosts.c.host == host)
            .values(controller=controller, lease_until=self.now + seconds)
        )

    def join(self, rollout_id: int, controller: str) -> None:
        """Record that the run of `controller` takes part in a rollout, and that it lives."""
        if self.runs(rollout_id).get(controller, 0) > self.now - HEARTBEAT:
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
        rows = self._connection.execute(sa.select(_runs).where(_runs.c.rollout_id == rollout_id))
        return {row.controller: row.seen_at for row in rows}

    def quarantine(self) -> dict[str, Quarantined]:
        rows = self._connection.execute(sa.select(_quarantine).where(_quarantine.c.released_at.is_(None)))
        return {row.digest: Quarantined(row.digest, row.version, row.host, row.reason, utc(row.at)) for row in rows}

    def put_in_quarantine(self, digest: str, version: str | None, host: str, reason: str) -> None:
        if digest not in self.quarantine():
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


def utc(at: int) -> str:
    """Return epoch seconds as people read them."""
    return datetime.fromtimestamp(at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _host_record(row: sa.Row[Any]) -> HostRecord:
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
    )


def _tune_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the sqlite3 module
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000}")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # Taken for writing from the start: read, decide and record are one, also for two processes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _first_line(exc: BaseException) -> str:
    return str(getattr(exc, "orig", None) or exc).splitlines()[0]


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "(not a database URL)"
