# SPDX-License-Identifier: GPL-3.0-or-later
"""The record itself: only what has changed is read again, and only who holds the lease may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from backends import ledger_url

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import (
    STOPPED,
    Ledger,
    RolloutRecord,
    Writer,
)

pytestmark = pytest.mark.usefixtures("backend")


def _plan(hosts: int) -> dict[str, Any]:
    waves = [[{"host": f"h{n}", "wave": 1, "target": {"digest": "b" * 64, "name": "2"}} for n in range(hosts)]]
    return {"waves": waves, "max_unavailable": 1, "max_failures": 0, "left_out": {}}


def _open(path: Path, hosts: int = 3) -> Ledger:
    ledger = Ledger(ledger_url(path))
    with ledger.write() as writer:
        writer.open_rollout("upgrade", _plan(hosts))
    return ledger


def _record(ledger: Ledger) -> RolloutRecord:
    record = ledger.rollout("upgrade")
    assert record is not None
    return record


@contextmanager
def _statements(ledger: Ledger) -> Iterator[list[str]]:
    """Give the statements that `ledger` sends in its transactions meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        sent.append(" ".join(statement.split()))

    engine = ledger._database._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(engine, "before_cursor_execute", note)


CHANGES: dict[str, Callable[[Writer, RolloutRecord], object]] = {
    "state": lambda writer, record: writer.set_state(record.id, STOPPED, "why"),
    "move": lambda writer, record: writer.move(record, "h1", Phase.STAGED, "why", "c1", token=1),
    "take": lambda writer, record: writer.take(record.id, "h1", "c1", 60),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_every_change_is_seen_by_who_has_looked_before(tmp_path: Path, change: str) -> None:
    watcher = _open(tmp_path)
    before = _record(watcher)
    other = Ledger(ledger_url(tmp_path))
    with other.write() as writer:
        CHANGES[change](writer, before)
    assert _record(watcher) != before
    assert _record(watcher) == _record(Ledger(ledger_url(tmp_path)))


def test_nothing_new_reads_no_host_and_no_plan(tmp_path: Path) -> None:
    ledger = _open(tmp_path, hosts=50)
    first = _record(ledger)
    with ledger.write() as writer, _statements(ledger) as sent:
        assert writer.rollout("upgrade") is first
    assert len(sent) == 1
    assert "rollout_hosts" not in sent[0]
    assert "rollouts.plan" not in sent[0]


def test_one_changed_host_is_read_alone(tmp_path: Path) -> None:
    ledger = _open(tmp_path, hosts=50)
    first = _record(ledger)
    with Ledger(ledger_url(tmp_path)).write() as writer:
        writer.move(first, "h7", Phase.STAGED, "staged", "c1")
    with ledger.write() as writer:
        query = sa.text("select count(*) from rollout_hosts where revision > 0")
        assert writer._connection.scalar(query) == 1
        second = writer.rollout("upgrade")
    assert second is not None
    assert second.plan is first.plan
    assert [one.host for one, old in zip(second.hosts, first.hosts, strict=True) if one is not old] == ["h7"]
    assert [one.host for one in second.hosts] == [one.host for one in first.hosts]


@pytest.mark.parametrize("change", list(CHANGES))
def test_what_was_not_committed_is_forgotten(tmp_path: Path, change: str) -> None:
    """The next one gets the same revision: what was read under it must not be taken for what is."""
    ledger = _open(tmp_path)
    before = _record(ledger)
    with pytest.raises(RuntimeError), ledger.write() as writer:
        CHANGES[change](writer, before)
        assert writer.rollout("upgrade") != before
        raise RuntimeError("killed")
    assert _record(ledger) == before
    with ledger.write() as writer:
        writer.move(before, "h2", Phase.STAGED, "staged", "c1")
    assert _record(ledger) == _record(Ledger(ledger_url(tmp_path)))


def test_a_rollout_that_was_not_committed_is_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(ledger_url(tmp_path))
    with pytest.raises(RuntimeError), ledger.write() as writer:
        writer.open_rollout("upgrade", _plan(2))
        assert writer.rollout("upgrade") is not None
        raise RuntimeError("killed")
    assert ledger.rollout("upgrade") is None
    with ledger.write() as writer:
        writer.open_rollout("upgrade", _plan(3))
    assert len(_record(ledger).hosts) == 3


def test_another_database_in_its_place(tmp_path: Path) -> None:
    ledger = _open(tmp_path)
    with ledger.write() as writer:
        writer.move(_record(ledger), "h1", Phase.STAGED, "staged", "c1")
    assert _record(ledger).hosts[1].phase is Phase.STAGED
    with ledger.write() as writer:  # as a backup has it that was taken before
        for table in ("rollouts", "rollout_hosts"):
            writer._connection.execute(sa.text(f"update {table} set revision = 0"))
        writer._connection.execute(sa.text("update rollout_hosts set phase = 'steady'"))
    assert _record(ledger).hosts[1].phase is Phase.STEADY


def test_a_stale_token_writes_nothing(tmp_path: Path) -> None:
    ledger = _open(tmp_path)
    with ledger.write() as writer:
        writer.move(_record(ledger), "h1", Phase.STAGED, "staged", "c1")
    stale = _record(ledger)
    with ledger.write() as writer:
        writer.take(stale.id, "h1", "c2", 60)
    taken = _record(ledger)
    assert taken.hosts[1].token == stale.hosts[1].token + 1
    refused = pytest.raises(FlotillaError, match="cannot record that h1 is guarded: lease 0 was taken over")
    with refused, ledger.write() as writer:
        writer.move(stale, "h1", Phase.GUARDED, "go", "c1")
    assert _record(ledger) == taken
    assert [one["phase"] for one in ledger.transitions(stale.id)] == ["staged"]


def test_a_way_that_is_not_in_the_table(tmp_path: Path) -> None:
    ledger = _open(tmp_path)
    with pytest.raises(FlotillaError, match="h1 cannot go from steady to confirmed"), ledger.write() as writer:
        writer.move(_record(ledger), "h1", Phase.CONFIRMED, "hope", "c1")
    assert ledger.transitions(_record(ledger).id) == []


def test_quarantine_of_some(tmp_path: Path) -> None:
    ledger = _open(tmp_path)
    with ledger.write() as writer:
        for digest in ("a", "b", "c"):
            writer.put_in_quarantine(digest, "1", "h0", "bad")
            writer.put_in_quarantine(digest, "1", "h1", "bad again")
        writer.release("c", "somebody")
        assert set(writer.quarantine()) == {"a", "b"}
        assert set(writer.quarantine("b", "c", "d")) == {"b"}
        assert writer.quarantine("b")["b"].host == "h0"
