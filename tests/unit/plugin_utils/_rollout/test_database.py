# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a database, in words; and what its transactions keep apart."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from backends import ledger_url
from postgresql import Server

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.database import (
    Database,
    LedgerGone,
    clock,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger


def test_only_looking_makes_no_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/ledger.sqlite"
    ledger = Ledger(url, create=False)
    assert ledger.rollout("upgrade") is None
    assert ledger.quarantine() == {}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/nowhere/x.sqlite", "nodialect://x:secret@y/z"])
def test_that_cannot_be_opened(url: str) -> None:
    with pytest.raises(Refused, match="cannot open the ledger") as refused:
        Ledger(url)
    assert "secret" not in str(refused.value)


def test_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot open the ledger"):
        Ledger(f"sqlite:///{tmp_path}")


def test_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Refused) as refused:
        Ledger("postgresql+psycopg://me:secret@nowhere/flotilla")
    assert str(refused.value) == (
        "cannot open the ledger postgresql+psycopg://me:***@nowhere/flotilla: the Python package psycopg is not "
        "installed on the controller (pip install psycopg)"
    )


def test_server_that_is_away_and_comes_back(postgresql: Server) -> None:
    database = Database(url := postgresql.new_database(), create=True)
    postgresql.stop()
    try:
        with pytest.raises(LedgerGone, match="cannot open the ledger"):
            Database(url, create=True)
        with pytest.raises(LedgerGone, match="cannot write to the ledger"), database.write():
            raise AssertionError("nothing may begin")
        with pytest.raises(LedgerGone, match="cannot read the ledger"), database.read():
            raise AssertionError("nothing may begin")
    finally:
        postgresql.start()
    with database.write() as connection:
        assert clock(connection) > 0


def test_server_that_goes_in_the_middle_of_a_transaction(postgresql: Server) -> None:
    database = Database(postgresql.new_database(), create=True)
    add = sa.text("insert into rollouts (name, state, plan, created_at) values ('x', 'open', '{}', 1)")
    try:
        with pytest.raises(LedgerGone), database.write() as connection:
            connection.execute(add)
            postgresql.stop()
    finally:
        postgresql.start()
    with database.read() as connection:
        assert connection.scalar(sa.text("select count(*) from rollouts")) == 0


@pytest.mark.usefixtures("backend")
def test_a_fault_that_stays_is_no_absence(tmp_path: Path) -> None:
    database = Database(ledger_url(tmp_path), create=True)
    add = sa.text("insert into flotilla_schema (version) values (1), (1)")
    with pytest.raises(FlotillaError, match="cannot write to the ledger") as failed, database.write() as connection:
        connection.execute(add)
    assert not isinstance(failed.value, LedgerGone)


@pytest.mark.usefixtures("backend")
def test_writers_go_one_by_one(tmp_path: Path) -> None:
    url = ledger_url(tmp_path)
    with Database(url, create=True).write() as connection:
        connection.execute(sa.text("insert into rollouts (name, state, plan, created_at) values ('x', 'open', '0', 1)"))

    def count() -> None:
        database = Database(url, create=True)
        for _again in range(10):
            with database.write() as connection:
                seen = int(connection.scalar(sa.text("select plan from rollouts")))
                connection.execute(sa.text("update rollouts set plan = :next"), {"next": str(seen + 1)})

    threads = [threading.Thread(target=count) for _again in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Database(url, create=True).read() as connection:
        assert connection.scalar(sa.text("select plan from rollouts")) == "40"


@pytest.mark.usefixtures("backend")
def test_who_looks_sees_one_moment_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    database = Database(ledger_url(tmp_path), create=True)
    count = sa.text("select count(*) from rollouts")
    with database.write() as connection:
        connection.execute(sa.text("insert into rollouts (name, state, plan, created_at) values ('x', 'open', '0', 1)"))
        with database.read() as reader:
            assert reader.scalar(count) == 0
    with database.read() as reader:
        assert reader.scalar(count) == 1


def test_the_clock_is_read_after_the_wait_for_others(postgresql: Server) -> None:
    """A lease that was given while one waited is not from the future."""
    database = Database(postgresql.new_database(), create=True)
    with database.write() as connection:
        began = clock(connection)
        connection.execute(sa.text("select pg_sleep(1.1)"))
        assert clock(connection) > began
