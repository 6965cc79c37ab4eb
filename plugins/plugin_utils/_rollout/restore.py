# SPDX-License-Identifier: GPL-3.0-or-later
"""What a turn changed beside the OS (drained, weighed down, silenced) is brought back, by whoever is there to do it.

From before a host is drained until its work was given back the ledger says so, with what the host was like. The record
outlives the run, the turn, and the rollout: a new one of the same name takes it over with the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import FlotillaError
from .._model.phase import IN_FLIGHT
from .conduct import Conductor
from .gate import lost

# How long (s) a host is kept for who gives its work back, outside of a turn.
RESTORE_LEASE = 900


class Restorer(Conductor):
    """What is to be brought back, on the record of a rollout, for one controller."""

    def save(self, host: str, state: Mapping[str, Any]) -> None:
        """Record that `host` is about to be drained, and what it was like before (which may be nothing).

        Raises FlotillaError unless the host is in our hands.
        """
        with self.ledger.write() as writer:
            rollout = self._taking_part(writer, host)
            record = rollout.find(host)
            if record is None or record.phase not in IN_FLIGHT or record.controller != self.controller:
                raise FlotillaError(f"{host} was not let through the gate")
            writer.save(rollout.id, host, state)

    def end_of_turn(self, host: str, token: int) -> dict[str, Any]:
        """May the work be given back to `host` at the end of our turn? Not so when it was taken over meanwhile: whoever
        has it now has drained it for a purpose."""
        with self.ledger.write() as writer:
            rollout = self._current(writer, host)
            record = rollout.find(host)
            if record is None or record.token != token or record.controller != self.controller:
                return _no(f"lease {token} of {host} is over; whoever has it now gives its work back")
            saved = writer.saved(rollout.id, host)
            return _no(f"{host} was not drained") if saved is None else _yes(host, saved)

    def claim(self, host: str, observed: Mapping[str, Any]) -> dict[str, Any]:
        """May the work be given back to `host` outside of a turn? If so it is in our hands until `restored`.

        `observed`: the registered result of looking at it. Not to a host that is in other hands, and not without proof
        that it is not about to go back by its guard: whoever ends its turn does it then.
        """
        with self.ledger.write() as writer:
            rollout_id = writer.left_drained(self.name).get(host)
            rollout = None if rollout_id is None else writer.rollout_by_id(rollout_id)
            if rollout is None:
                return _no(f"{host} was not left drained")
            record = rollout.find(host)
            others = record is not None and record.controller not in (None, self.controller)
            if record is not None and others and not lost(record, writer.now, self.gone):
                return _no(f"{host} is in the hands of {record.controller}")
            state = observed.get("host_state")
            if not isinstance(state, Mapping):
                return _no(f"{host} stays drained: it could not be observed")
            if state.get("guard") is not None:
                return _no(f"{host} stays drained: its guard is armed, its turn is to be ended first")
            writer.take(rollout.id, host, self.controller, RESTORE_LEASE)
            return _yes(host, writer.saved(rollout.id, host) or {})

    def restored(self, host: str) -> None:
        """Record that the work was given back. Raises FlotillaError unless the host is in our hands."""
        with self.ledger.write() as writer:
            rollout_id = writer.left_drained(self.name).get(host)
            rollout = None if rollout_id is None else writer.rollout_by_id(rollout_id)
            if rollout is None:
                return
            record = rollout.find(host)
            if record is not None and record.controller != self.controller:
                raise FlotillaError(f"cannot record that {host} has its work again: it is in the hands of another run")
            writer.forget(rollout.id, host)
            if record is not None and record.phase not in IN_FLIGHT:
                writer.let_go(rollout.id, host)

    def left_drained(self) -> list[str]:
        """Return the hosts that are on record as drained, whoever did it."""
        with self.ledger.write() as writer:
            return sorted(writer.left_drained(self.name))


def _yes(host: str, saved: Mapping[str, Any]) -> dict[str, Any]:
    return {"admitted": True, "saved": dict(saved), "why": f"the work is to be given back to {host}"}


def _no(why: str) -> dict[str, Any]:
    return {"admitted": False, "saved": None, "why": why}
