# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the ledger, and how an older ledger becomes a newer one.

Each table and column says since which schema it exists; a ledger without it is brought there by `migrate`. Forward
only, and only by adding: what an older collection wrote is never changed into something that it could not have meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

try:
    import sqlalchemy as sa
except ImportError:  # said by the database, in words
    sa = None  # type: ignore[assignment]
else:
    from .._fleetlock.store import tables as _lock_tables

from .._errors import Refused


@dataclass(frozen=True)
class Migration:
    """A step to schema `number`: everything that is marked as existing since then."""

    number: int
    what: str


MIGRATIONS = (
    Migration(1, "rollouts, their hosts, transitions and runs; quarantine"),
    Migration(2, "revisions: who waits at the gate reads what has changed since it last looked, and nothing else"),
    Migration(3, "what people have told a rollout, and what its hosts were like before"),
    Migration(4, "reboot locks, also where no server ever ran: the gate need not ask whether there are any tables"),
    Migration(5, "plans in parts: who asks the gate reads what the answer depends on, however large the fleet is"),
    Migration(6, "hooks of waves: which wave is prepared, by whom, and what it found"),
    Migration(7, "until when a host may still be told to reboot by one who was permitted to, dead or not"),
)
SCHEMA = MIGRATIONS[-1].number

if sa is not None:
    _SINCE_2 = {"since": 2}
    _SINCE_5 = {"since": 5}
    tables = sa.MetaData()
    schema = sa.Table("flotilla_schema", tables, sa.Column("version", sa.Integer, primary_key=True))
    rollouts = sa.Table(
        "rollouts",
        tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(200), nullable=False, index=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        # Counts the changes of the rollout and of its hosts. The plan never changes.
        sa.Column("revision", sa.Integer, nullable=False, server_default="0", info=_SINCE_2),
        # The plan without its hosts; null in a rollout that is older than the schema.
        sa.Column("terms", sa.Text, info=_SINCE_5),
    )
    hosts = sa.Table(
        "rollout_hosts",
        tables,
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
        # Until when an order to reboot may reach it that was permitted, and cannot be called back.
        sa.Column("permitted_until", sa.BigInteger, info={"since": 7}),
        sa.Column("entered_at", sa.BigInteger),
        sa.Column("left_at", sa.BigInteger),
        # The revision of the rollout in which this host changed last.
        sa.Column("revision", sa.Integer, nullable=False, server_default="0", info=_SINCE_2),
        # What the plan says of it.
        sa.Column("place", sa.Text, info=_SINCE_5),
    )
    sa.Index("ix_rollout_hosts_revision", hosts.c.rollout_id, hosts.c.revision, info=_SINCE_2)
    sa.Index("ix_rollout_hosts_phase", hosts.c.rollout_id, hosts.c.phase, hosts.c.wave, hosts.c.position, info=_SINCE_5)
    sa.Index("ix_rollout_hosts_left", hosts.c.rollout_id, hosts.c.phase, hosts.c.left_at, hosts.c.wave, info=_SINCE_5)
    transitions = sa.Table(
        "transitions",
        tables,
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
    runs = sa.Table(
        "rollout_runs",
        tables,
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("controller", sa.String(300), primary_key=True),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    quarantine = sa.Table(
        "quarantine",
        tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(255), nullable=False, index=True),
        sa.Column("version", sa.String(255)),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("released_at", sa.BigInteger),
        sa.Column("released_by", sa.String(300)),
    )
    # What people have told a rollout: halted, paused, resumed.
    words = sa.Table(
        "rollout_words",
        tables,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), nullable=False, index=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("word", sa.String(20), nullable=False),
        sa.Column("who", sa.String(300), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        info={"since": 3},
    )
    # What a turn found before it changed it, for whoever has to bring it back as it was.
    saved_states = sa.Table(
        "saved_states",
        tables,
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        info={"since": 3},
    )
    # Which waves have had their hooks. Without hooks there is no row.
    wave_hooks = sa.Table(
        "wave_hooks",
        tables,
        sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("wave", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("why", sa.Text),
        # Counts what was prepared, over all rollouts: the last is given back first.
        sa.Column("number", sa.Integer, nullable=False),
        # Who runs the hooks, or did so last.
        sa.Column("controller", sa.String(300), nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.BigInteger),
        # What the wave was like before; null when there is nothing to be given back.
        sa.Column("saved", sa.Text),
        info={"since": 6},
    )
    for _table in _lock_tables.sorted_tables:
        _table.to_metadata(tables)


def version(connection: sa.Connection) -> int:
    """Return the schema of the ledger behind `connection`, 0 where there is none. Raises Refused for a newer one."""
    found = 0
    if sa.inspect(connection).has_table(schema.name):
        found = int(connection.scalar(sa.select(sa.func.max(schema.c.version))) or 0)
    if found > SCHEMA:
        raise Refused(f"cannot use the ledger: its schema {found} is newer than this collection's {SCHEMA}")
    return found


def migrate(connection: sa.Connection) -> None:
    """Bring the ledger to the newest schema, within the transaction of `connection`, which nobody else writes beside.

    Raises Refused for a ledger that is newer than this code.
    """
    found = version(connection)
    if found == 0:
        tables.create_all(connection)
        connection.execute(schema.insert().values(version=SCHEMA))
        return
    for migration in MIGRATIONS[found:]:
        for statement in _steps(migration.number, connection.dialect):
            connection.execute(statement)
        connection.execute(schema.insert().values(version=migration.number))


def _steps(number: int, dialect: sa.Dialect) -> Iterator[sa.Executable]:
    """Yield what leads from the schema before to `number`. Columns that are added have a default of the database's."""
    for table in tables.sorted_tables:
        if table.info.get("since", 1) == number:
            # (A server of an older collection made those of the locks by itself.)
            yield sa.schema.CreateTable(table, if_not_exists=True)
            yield from (sa.schema.CreateIndex(index) for index in _sorted(table))
            continue
        for column in table.columns:
            if column.info.get("since", 1) == number:
                definition = sa.schema.CreateColumn(column).compile(dialect=dialect)
                yield sa.text(f"ALTER TABLE {table.name} ADD COLUMN {definition}")
        yield from (sa.schema.CreateIndex(index) for index in _sorted(table) if index.info.get("since", 1) == number)


def _sorted(table: sa.Table) -> list[sa.Index]:
    return sorted(table.indexes, key=lambda index: str(index.name))
