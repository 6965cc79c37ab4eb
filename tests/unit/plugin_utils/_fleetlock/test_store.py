# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate asks of the locks, and when they end."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.store import (
    LockTables,
    reboot_locks_held,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger


def test_a_ledger_without_a_lock_server_has_no_locks(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").write() as writer:
        assert reboot_locks_held(writer.connection, writer.now, "upgrade") == frozenset()


def test_whose_budget_a_lock_draws_on(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/ledger.sqlite").write() as writer:
        tables = LockTables(writer.connection, writer.now)
        tables.create()
        tables.create()  # again, as every start does
        tables.set_groups([("all", 1, None), ("tied", 1, "upgrade"), ("apart", 1, "other")])
        for holder, group in (("a", "all"), ("b", "tied"), ("c", "apart"), ("d", "gone")):
            tables.take(holder, group, 60)
        assert reboot_locks_held(writer.connection, writer.now, "upgrade") == {"a", "b", "d"}
        assert reboot_locks_held(writer.connection, writer.now + 60, "other") == {"a", "c", "d"}
        assert reboot_locks_held(writer.connection, writer.now + 61, "other") == frozenset()
        LockTables(writer.connection, writer.now + 61).forget_lost()
        assert tables.locks() == []
