# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs the hooks of a wave, on the record of a rollout: exactly one at a time, recorded before it begins.

The record outlives the run and the rollout: what a run that died has prepared, a later one gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import FlotillaError
from .gate import Verdict
from .ledger import OPEN, STOPPED, RolloutRecord, Writer
from .part import Participant
from .wave_hooks import Asker, Due, Side, WaveRecord, WaveState, first, left_behind
from .wave_table import WaveTable


class WaveKeeper(Participant):
    """The hooks of the waves, for one controller."""

    def before(
        self, writer: Writer, rollout: RolloutRecord, host: str, verdict: Verdict, lease: int
    ) -> Verdict | dict[str, Any]:
        """Return what the gate says to `host` (see `first`), or the hook that it was given to run, for `lease` seconds,
        before it asks again."""
        table = WaveTable(writer.connection)
        due = first(table.kept(self.name), rollout, host, verdict, self._asker(writer, rollout))
        if isinstance(due, Verdict):
            return due
        hook = self._hand(table, due, writer.now + lease)
        doing = "prepared" if due.side is Side.PREPARE else "given back"
        nobody = {"admitted": False, "wave": None, "token": None, "saved": None}
        return {**nobody, "hook": hook, "why": f"wave {due.wave} is to be {doing} first"}

    def left(self) -> list[tuple[WaveRecord, list[str]]]:
        """Return the waves that this run has to give back before it ends, each with its hosts."""
        with self.ledger.write() as writer:
            table = WaveTable(writer.connection)
            return [(one, table.hosts(one.rollout_id, one.wave)) for one in self._left(writer, table)]

    def claim(self, rollout_id: int, wave: int, lease: int) -> dict[str, Any] | None:
        """Return the hook that gives a wave back, ours for `lease` seconds; None when that is not ours to do."""
        with self.ledger.write() as writer:
            table = WaveTable(writer.connection)
            if (rollout_id, wave) not in {(one.rollout_id, one.wave) for one in self._left(writer, table)}:
                return None
            return self._hand(table, Due(Side.RESTORE, rollout_id, wave), writer.now + lease)

    def _left(self, writer: Writer, table: WaveTable) -> list[WaveRecord]:
        rollout = writer.rollout(self.name)
        if rollout is None:
            return []
        others = bool(self._other_runs(writer, rollout))
        return left_behind(table.kept(self.name), rollout, self._asker(writer, rollout), others)

    def saved(self, rollout_id: int, wave: int, token: int, state: Mapping[str, Any]) -> None:
        """Record what a wave was like before it is changed (which may be nothing)."""
        self._note(rollout_id, wave, token, saved=dict(state))

    def prepared(self, rollout_id: int, wave: int, token: int) -> None:
        """Record that a wave is prepared: its hosts may be touched."""
        self._note(rollout_id, wave, token, state=WaveState.PREPARED.value, lease_until=None)

    def restored(self, rollout_id: int, wave: int, token: int) -> None:
        """Record that a wave was given back."""
        self._note(rollout_id, wave, token, state=WaveState.RESTORED.value, lease_until=None, saved=None)

    def failed(self, rollout_id: int, wave: int, token: int, why: str) -> str:
        """Record that a hook failed, and stop the rollout; return the reason as a sentence."""
        with self.ledger.write() as writer:
            table = WaveTable(writer.connection)
            one = self._mine(table, rollout_id, wave, token)
            doing = "prepare" if one.state is WaveState.PREPARING else "give back"
            sentence = one.why or f"cannot {doing} wave {wave}: {' '.join(why.split()) or 'no reason given'}"
            table.note(one, state=WaveState.FAILED.value, lease_until=None, why=sentence)
            rollout = writer.rollout(self.name)
            if rollout is not None and rollout.state == OPEN:
                writer.set_state(rollout.id, STOPPED, sentence)
        return sentence

    def _hand(self, table: WaveTable, due: Due, lease_until: int) -> dict[str, Any]:
        one = table.hand(due, self.controller, lease_until)
        return {
            "side": due.side.value,
            "id": one.rollout_id,
            "wave": one.wave,
            "hosts": table.hosts(one.rollout_id, one.wave),
            "token": one.token,
            "saved": one.saved,
        }

    def _note(self, rollout_id: int, wave: int, token: int, **values: Any) -> None:
        with self.ledger.write() as writer:
            table = WaveTable(writer.connection)
            table.note(self._mine(table, rollout_id, wave, token), **values)

    def _mine(self, table: WaveTable, rollout_id: int, wave: int, token: int) -> WaveRecord:
        """Return the record of a wave. Raises FlotillaError when its hooks were taken over."""
        one = table.find(rollout_id, wave)
        if one is None or (one.controller, one.token) != (self.controller, token):
            by = "" if one is None else f" by {one.controller}"
            raise FlotillaError(f"cannot go on with the hooks of wave {wave}: lease {token} was taken over{by}")
        return one

    def _asker(self, writer: Writer, rollout: RolloutRecord) -> Asker:
        return Asker(
            self.controller,
            writer.now,
            self.gone,
            lambda one: one == self.controller or one in self._other_runs(writer, rollout),
        )
