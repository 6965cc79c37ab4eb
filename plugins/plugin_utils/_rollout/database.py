# SPDX-License-Identifier: GPL-3.0-or-later
"""The database behind the ledger: opening, transactions, its clock. All that tells SQLite from PostgreSQL is here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # said by Database, in words
    sa = None  # type: ignore[assignment]
else:
    _TYPE = sa.DateTime(timezone=True)
    # PostgreSQL's current_timestamp is when the transaction began: before it had to wait for others.
    _NOW = {
        "postgresql": sa.select(sa.func.clock_timestamp(type_=_TYPE)),
        "sqlite": sa.select(sa.func.current_timestamp(type_=_TYPE)),
    }

from .._errors import FlotillaError, Refused
from .schema import SCHEMA, migrate, version

# How long (s) a writer waits for another one, or for an answer, before it gives up. It is also how long a controller
# that froze in the middle of a transaction can keep all others from theirs.
BUSY_TIMEOUT = 30
# How long (s) a server may take to answer the door.
CONNECT_TIMEOUT = 10
# Two controllers that open a new PostgreSQL ledger at once have no table yet that one could lock: it is this number.
_MIGRATION_LOCK = 0x666C6F74


class LedgerGone(Refused):
    """The database does not answer. Nothing is recorded, so nothing may be begun; it may come back."""


class Database:
    """An engine and its transactions. Raises Refused when it cannot be opened, LedgerGone when it may be one day.

    `create`: make the file of an SQLite ledger where there is none. Without, such a ledger is empty and stays nowhere.
    """

    def __init__(self, url: str, create: bool) -> None:
        if sa is None:
            raise Refused(
                "cannot open the ledger: SQLAlchemy 2 is not installed on the controller (pip install SQLAlchemy)"
            )
        shown = _without_password(url)
        try:
            self._engine = _engine(sa.make_url(url), create)
            self._reader = self._engine.execution_options(ledger_reads=True)
            if self._engine.dialect.name == "postgresql":
                # All that one look sees is of the same moment.
                self._reader = self._reader.execution_options(isolation_level="REPEATABLE READ")
            with self._reader.begin() as connection:
                found = version(connection)
            if found < SCHEMA:
                with self._engine.begin() as connection:
                    if connection.dialect.name == "postgresql":
                        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
                    migrate(connection)
        except ModuleNotFoundError as exc:
            raise Refused(
                f"cannot open the ledger {shown}: the Python package {exc.name} is not installed on the controller "
                f"(pip install {exc.name})"
            ) from exc
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as exc:
            kind = LedgerGone if _is_gone(exc) else Refused
            raise kind(f"cannot open the ledger {shown}: {_first_line(exc)}") from exc

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that nobody else writes beside. Raises LedgerGone, FlotillaError."""
        with _in_words("write to"), self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                limits = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
                connection.execute(sa.select(*(sa.func.set_config(one, f"{BUSY_TIMEOUT}s", True) for one in limits)))
                connection.execute(sa.text("LOCK TABLE rollouts IN EXCLUSIVE MODE"))
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only looks: it waits for no writer and no writer waits for it."""
        with _in_words("read"), self._reader.begin() as connection:
            yield connection


def clock(connection: sa.Connection) -> int:
    """Return the time by the database's clock, in epoch seconds."""
    now = connection.scalar(_NOW.get(connection.dialect.name, _NOW["sqlite"]))
    if not isinstance(now, datetime):
        raise FlotillaError(f"internal error: the database's clock says {now!r}")
    return int((now if now.tzinfo else now.replace(tzinfo=timezone.utc)).timestamp())


def _engine(url: sa.URL, create: bool) -> sa.Engine:
    # No pool: hosts that wait are many and ask every few seconds, and a server has few connections to give. And nothing
    # that is kept open can have broken meanwhile.
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT})
    pool: type[sa.Pool] = sa.NullPool
    if url.database:
        path = Path(url.database).expanduser()
        url = url.set(database=str(path))
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            url, pool = sa.make_url("sqlite://"), sa.StaticPool
    engine = sa.create_engine(url, poolclass=pool)
    _tune_sqlite(engine)
    return engine


def _tune_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the sqlite3 module
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT * 1000}")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        # Taken for writing from the start: read, decide and record are one, also for two processes.
        reads = connection.get_execution_options().get("ledger_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def _in_words(verb: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as exc:
        kind = LedgerGone if _is_gone(exc) else FlotillaError
        raise kind(f"cannot {verb} the ledger: {_first_line(exc)}") from exc


def _is_gone(exc: BaseException) -> bool:
    """Tell whether the database did not answer (and may again), from a fault that stays whatever one does."""
    return isinstance(exc, (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError))


def _first_line(exc: BaseException) -> str:
    return next(iter(str(getattr(exc, "orig", None) or exc).splitlines()), type(exc).__name__)


def _without_password(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "(not a database URL)"
