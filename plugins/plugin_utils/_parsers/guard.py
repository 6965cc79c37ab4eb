# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that the guard keeps on a host (written by `_guard/guard.sh`)."""

from __future__ import annotations

from .._errors import CannotParse
from .._model.state import Fallback, FallbackCause, Guard
from .files import split_files
from .key_value import parse_key_values


def parse_guard(text: str, boot_id: str) -> tuple[Guard | None, Fallback | None]:
    """Return (the armed guard, the last fallback) from the printed files `armed`, `trial` and `fallback`.

    A trial that was recorded in another boot than `boot_id`, the running one, is no proof that the guard watches now.
    Raises CannotParse.
    """
    records = {path.rsplit("/", 1)[-1]: parse_key_values(content) for path, content in split_files(text)}
    trial = records.get("trial")
    if trial is not None and trial.get("boot_id") != boot_id:
        trial = None
    return _guard(records.get("armed"), trial), _fallback(records.get("fallback"))


def _guard(armed: dict[str, str] | None, trial: dict[str, str] | None) -> Guard | None:
    if armed is None:
        return None
    try:
        confirm_within = int(armed["confirm_within"])
        return Guard(
            armed_at=int(armed["armed_at"]),
            deadline=int(trial["booted_at"]) + confirm_within if trial else None,
            target=armed["target"],
            target_digest=armed["target_digest"],
            rollback_to=armed["rollback_to"],
            confirm_within=confirm_within,
            covers=tuple(armed.get("covers", "").split()),
            boot_id_before=armed.get("boot_id_before"),
        )
    except (KeyError, ValueError) as exc:
        raise CannotParse("the guard's record on the host", f"{type(exc).__name__}: {exc}") from exc


def _fallback(record: dict[str, str] | None) -> Fallback | None:
    if record is None:
        return None
    try:
        return Fallback(
            cause=FallbackCause(record["cause"]),
            target=record["target"],
            target_digest=record["target_digest"],
            rollback_to=record["rollback_to"],
            at=int(record["at"]),
            evidence=record.get("evidence", ""),
        )
    except (KeyError, ValueError) as exc:
        raise CannotParse("the guard's record of a fallback on the host", f"{type(exc).__name__}: {exc}") from exc
