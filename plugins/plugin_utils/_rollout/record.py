# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger says of a rollout and its hosts. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._model.phase import IN_FLIGHT, Phase

OPEN, STOPPED, DONE, SUPERSEDED = "open", "stopped", "done", "superseded"
# A person's word: no failure, no end and no re-run overrules it, only the word to resume.
PAUSED, HALTED = "paused", "halted"


@dataclass(frozen=True)
class HostRecord:
    """Where a host stands, as recorded. Times are epoch seconds by the database's clock.

    `token`: the number of the lease, higher with every new one; who comes with a lower one has lost the host.
    `permitted_until`: until then an order to reboot may reach the host that was permitted, and cannot be called back.
    """

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
    permitted_until: int | None = None

    def may_still_be_told(self, now: int) -> bool:
        """Tell whether an order to reboot may be on its way to the host, whatever became of who gave it."""
        return self.phase in IN_FLIGHT and self.permitted_until is not None and now <= self.permitted_until


@dataclass(frozen=True)
class RolloutRecord:
    """A rollout, as recorded. `state`: open, stopped (failures; a re-run may reopen it), done, superseded, paused,
    halted."""

    id: int
    name: str
    state: str
    why: str | None
    plan: Mapping[str, Any]
    created_at: int
    ended_at: int | None
    hosts: tuple[HostRecord, ...]

    def find(self, host: str) -> HostRecord | None:
        """Return what is recorded of `host`; None where it is not in the plan."""
        return next((one for one in self.hosts if one.host == host), None)


def utc(at: int) -> str:
    """Return epoch seconds as people read them."""
    return datetime.fromtimestamp(at, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
