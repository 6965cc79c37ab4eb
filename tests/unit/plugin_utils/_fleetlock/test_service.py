# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks on a real SQLite ledger, without HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock import service as module
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.budget import Group
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.protocol import (
    Identity,
    Kind,
    ProtocolError,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.service import LockService, Terms
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger

A, B = Identity("a", "g"), Identity("b", "g")


def _service(path: Path, groups: Sequence[Group] = (Group("g", 1),)) -> LockService:
    return LockService(Ledger(f"sqlite:///{path}/ledger.sqlite"), Terms(groups))


def test_taken_once_and_given_back_once(tmp_path: Path) -> None:
    service = _service(tmp_path)
    assert [service.pre_reboot(A), service.pre_reboot(A)] == [True, False]
    with pytest.raises(ProtocolError, match="all 1 semaphore slots currently locked, held by a"):
        service.pre_reboot(B)
    assert [service.steady_state(A), service.steady_state(A)] == [True, False]
    assert service.pre_reboot(B) is True


def test_asking_again_begins_a_new_lease(tmp_path: Path) -> None:
    service = _service(tmp_path)
    service.pre_reboot(A)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("UPDATE reboot_locks SET lease_until = lease_until - 100, taken_at = taken_at - 100")
    database.close()
    service.pre_reboot(A)
    lock = service.status()["locks"][0]  # type: ignore[index]
    assert lock["until"] - lock["taken_at"] == module.LEASE
    assert lock["until"] == lock["taken_at"] + module.LEASE


def test_a_lock_of_a_group_that_is_served_no_more_can_be_given_back(tmp_path: Path) -> None:
    _service(tmp_path).pre_reboot(A)
    other = _service(tmp_path, (Group("h", 1),))
    assert other.steady_state(A) is True
    with pytest.raises(ProtocolError, match="unknown group 'g'"):
        other.steady_state(A)


def test_a_ledger_that_does_not_answer_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = _service(tmp_path)
    monkeypatch.setattr(module, "QUEUE_PATIENCE", 0.01)
    with service._books(), pytest.raises(ProtocolError, match="does not answer in time") as caught:
        service.pre_reboot(A)
    assert caught.value.kind is Kind.LEDGER_UNAVAILABLE
    assert service.pre_reboot(A) is True


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    _service(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("UPDATE reboot_lock_schema SET version = 99")
    database.close()
    with pytest.raises(Refused, match="schema 99 is newer"):
        _service(tmp_path)
