# SPDX-License-Identifier: GPL-3.0-or-later
"""How long turns took, from the record of a rollout. Pure."""

from __future__ import annotations

from .._model.phase import Phase
from .ledger import RolloutRecord


def turn_seconds(record: RolloutRecord | None) -> list[int]:
    """Return the seconds from the gate to the confirmation of each host that was confirmed, in the order of the plan.

    A turn that failed says nothing about how long one takes. Nothing is known of a rollout that never was.
    """
    if record is None:
        return []
    return [
        one.left_at - one.entered_at
        for one in record.hosts
        if one.phase is Phase.CONFIRMED and one.left_at is not None and one.entered_at is not None
    ]
