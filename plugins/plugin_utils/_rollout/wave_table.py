# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the waves' hooks, within a transaction of the ledger."""

from __future__ import annotations

import json
from typing import Any

try:
    import sqlalchemy as sa
except ImportError:  # said by the database, in words
    sa = None  # type: ignore[assignment]
else:
    from .schema import hosts as _hosts
    from .schema import rollouts as _rollouts
    from .schema import wave_hooks as _waves

from .plan import canonical
from .wave_hooks import Due, Side, WaveRecord, WaveState


class WaveTable:
    """Reads and writes the records of waves; who calls decides."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def kept(self, name: str) -> list[WaveRecord]:
        """Return the waves that are not given back, of all rollouts of that name, the last prepared first."""
        mine = sa.select(_rollouts.c.id).where(_rollouts.c.name == name)
        query = sa.select(_waves).where(_waves.c.rollout_id.in_(mine), _waves.c.state != WaveState.RESTORED.value)
        rows = self._connection.execute(query.order_by(_waves.c.number.desc()))
        return [_record(row) for row in rows]

    def hand(self, due: Due, controller: str, lease_until: int) -> WaveRecord:
        """Record that `controller` runs a hook, by a new lease; return the record."""
        found = self._connection.execute(_one(due.rollout_id, due.wave)).one_or_none()
        preparing = due.side is Side.PREPARE
        values = {
            "state": (WaveState.PREPARING if preparing else WaveState.RESTORING).value,
            "why": None,
            "controller": controller,
            "token": 1 if found is None else found.token + 1,
            "lease_until": lease_until,
        }
        if preparing and (found is None or found.saved is None):
            # (What was saved before belongs to where it was in the order then.)
            values["number"] = self._connection.scalar(sa.select(sa.func.coalesce(sa.func.max(_waves.c.number), 0) + 1))
        if found is None:
            key = {"rollout_id": due.rollout_id, "wave": due.wave}
            self._connection.execute(_waves.insert().values({**key, **values, "saved": None}))
        else:
            self._connection.execute(
                _waves.update().where(_waves.c.rollout_id == due.rollout_id, _waves.c.wave == due.wave).values(values)
            )
        return _record(self._connection.execute(_one(due.rollout_id, due.wave)).one())

    def find(self, rollout_id: int, wave: int) -> WaveRecord | None:
        """Return the record of a wave."""
        row = self._connection.execute(_one(rollout_id, wave)).one_or_none()
        return None if row is None else _record(row)

    def note(self, one: WaveRecord, **values: Any) -> None:
        """Change the record of a wave. `saved`: a dictionary, or None."""
        if values.get("saved") is not None:
            values["saved"] = canonical(values["saved"])
        self._connection.execute(
            _waves.update().where(_waves.c.rollout_id == one.rollout_id, _waves.c.wave == one.wave).values(values)
        )

    def hosts(self, rollout_id: int, wave: int) -> list[str]:
        """Return the hosts of a wave, in the order of the plan."""
        query = sa.select(_hosts.c.host).where(_hosts.c.rollout_id == rollout_id, _hosts.c.wave == wave)
        return list(self._connection.scalars(query.order_by(_hosts.c.position)))


def _one(rollout_id: int, wave: int) -> sa.Select[Any]:
    return sa.select(_waves).where(_waves.c.rollout_id == rollout_id, _waves.c.wave == wave)


def _record(row: sa.Row[Any]) -> WaveRecord:
    return WaveRecord(
        row.rollout_id,
        row.wave,
        WaveState(row.state),
        row.why,
        row.controller,
        row.token,
        row.lease_until,
        None if row.saved is None else dict(json.loads(row.saved)),
    )
