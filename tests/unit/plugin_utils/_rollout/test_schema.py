# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first schema, with data in it, to the newest; and nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schema_1
import sqlalchemy as sa
from backends import ledger_url

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock import store
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import schema
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import canonical

pytestmark = pytest.mark.usefixtures("backend")
PLAN = {"waves": [], "max_unavailable": 1, "max_failures": 0, "digest": "d" * 64}


def _shape(url: str) -> dict[str, Any]:
    """Return the columns and indexes of every table, as the database tells them."""
    inspector = sa.inspect(sa.create_engine(url, poolclass=sa.NullPool))
    return {
        table: (
            {one["name"]: (str(one["type"]), one["nullable"]) for one in inspector.get_columns(table)},
            sorted((str(one["name"]), tuple(one["column_names"])) for one in inspector.get_indexes(table)),
        )
        for table in inspector.get_table_names()
    }


def _versions(url: str) -> list[int]:
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        return list(connection.scalars(sa.select(schema.schema.c.version).order_by("version")))


def test_numbers_have_no_gap() -> None:
    assert [one.number for one in schema.MIGRATIONS] == list(range(1, schema.SCHEMA + 1))
    marked = {one.info.get("since", 1) for table in schema.tables.sorted_tables for one in (table, *table.columns)}
    assert marked == {one.number for one in schema.MIGRATIONS}


def test_from_1_with_data(tmp_path: Path) -> None:
    url = ledger_url(tmp_path)
    schema_1.make(url, canonical(PLAN))
    ledger = Ledger(url)
    assert _versions(url) == list(range(1, schema.SCHEMA + 1))
    record = ledger.rollout("upgrade")
    assert record is not None
    assert (record.state, record.plan, record.created_at) == ("open", PLAN, 1000)
    assert [(one.host, one.phase, one.token) for one in record.hosts] == [
        ("h1", Phase.CONFIRMED, 1),
        ("h2", Phase.BOOTED, 3),
    ]
    assert [one["phase"] for one in ledger.transitions(record.id)] == ["confirmed"]
    assert list(ledger.quarantine()) == ["c" * 64]
    with ledger.write() as writer:
        assert writer.runs(record.id) == {"c1": 1000}
        writer.move(record, "h2", Phase.FAILED, "it broke", "c1")
    again = Ledger(url).rollout("upgrade")
    assert again is not None
    assert again.hosts[1].phase is Phase.FAILED


def test_a_migrated_ledger_is_like_a_new_one(tmp_path: Path) -> None:
    url = ledger_url(tmp_path)
    schema_1.make(url, canonical(PLAN))
    Ledger(url)
    migrated = _shape(url)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        schema.tables.drop_all(connection)
    Ledger(url)
    assert migrated == _shape(url)
    assert set(migrated) == set(schema.tables.tables)


def test_a_server_has_made_its_tables_already(tmp_path: Path) -> None:
    url = ledger_url(tmp_path)
    schema_1.make(url, canonical(PLAN))
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        store.tables.create_all(connection)
        store.LockTables(connection, 1000).take("node", "all", 600)
    with Ledger(url).write() as writer:
        assert store.reboot_locks_held(writer.connection, 1000, "upgrade") == {"node"}
    assert _versions(url) == list(range(1, schema.SCHEMA + 1))


@pytest.mark.parametrize("old", [True, False])
def test_opened_by_many_at_once(tmp_path: Path, old: bool) -> None:
    url = ledger_url(tmp_path)
    if old:
        schema_1.make(url, canonical(PLAN))
    together, failed = threading.Barrier(8), []

    def use() -> None:
        together.wait()
        try:
            Ledger(url).rollout("upgrade")
        except Refused as exc:
            failed.append(exc)

    threads = [threading.Thread(target=use) for _again in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert _versions(url) == (list(range(1, schema.SCHEMA + 1)) if old else [schema.SCHEMA])


def test_cut_off_in_the_middle_it_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = ledger_url(tmp_path)
    schema_1.make(url, canonical(PLAN))
    before, steps = _shape(url), schema._steps

    def cut_off(number: int, dialect: sa.Dialect) -> Iterator[sa.Executable]:
        yield from steps(number, dialect)
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(schema, "_steps", cut_off)
        with pytest.raises(Refused, match="cannot open the ledger .*: no space left on device"):
            Ledger(url)
    assert _shape(url) == before
    assert _versions(url) == [1]
    assert Ledger(url).rollout("upgrade") is not None


def test_a_newer_one_is_refused(tmp_path: Path) -> None:
    ledger = Ledger(ledger_url(tmp_path))
    with ledger._database.write() as connection:
        connection.execute(schema.schema.insert().values(version=99))
    with pytest.raises(Refused, match="schema 99 is newer"):
        Ledger(ledger_url(tmp_path))
