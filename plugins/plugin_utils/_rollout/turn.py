# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host left its turn, judged by the results of its tasks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.phase import Phase


@dataclass(frozen=True)
class Left:
    """How a host left its turn."""

    phase: Phase
    why: str
    quarantine: bool = False


def left(results: Mapping[str, Mapping[str, Any] | None]) -> Left:
    """Judge the registered results of a host's turn: `baseline`, `boot`, `verdict`, `confirm`, `rollback`.

    Success takes positive proof of each step: the target runs, a good verdict was given, the confirm succeeded. A step
    that was left out proves nothing. A target is put in quarantine when it was seen to fail: the host went back from it
    while a controller waited, or its verdict was bad.
    """
    done = {name: result for name, result in results.items() if result and not _skipped(result)}
    boot, verdict, confirm = done.get("boot", {}), done.get("verdict", {}), done.get("confirm", {})
    if _proven(boot) and _proven(verdict) and _healthy(verdict) and _proven(confirm):
        return Left(Phase.CONFIRMED, text(confirm))
    if boot.get("failed") and boot.get("phase") in (
        Phase.ROLLED_BACK.value,
        Phase.FAILED.value,
        Phase.UNREACHABLE.value,
    ):
        fell_back = boot.get("cause") in ("boot_failed", "not_confirmed", "reset")
        return Left(Phase(boot["phase"]), text(boot), quarantine=fell_back)
    judged = bool(verdict.get("failed")) and isinstance(verdict.get("verdict"), Mapping) and not _healthy(verdict)
    rollback = done.get("rollback")
    if rollback is not None and _proven(rollback) and judged:
        return Left(Phase.ROLLED_BACK, text(verdict), quarantine=True)
    for name in ("rollback", "confirm", "verdict", "boot", "baseline"):
        result = done.get(name)
        if result is not None and result.get("unreachable"):
            return Left(Phase.UNREACHABLE, f"{name}: {text(result)}", quarantine=judged)
    for name in ("confirm", "verdict", "boot", "baseline"):
        result = done.get(name)
        if result is not None and result.get("failed"):
            return Left(Phase.FAILED, f"{name}: {text(result)}", quarantine=judged)
    return Left(Phase.FAILED, "its turn was cut off")


def _skipped(result: Mapping[str, Any]) -> bool:
    return bool(result.get("skipped")) and not result.get("unreachable")


def _proven(result: Mapping[str, Any]) -> bool:
    return bool(result) and not result.get("failed") and not result.get("unreachable")


def _healthy(result: Mapping[str, Any]) -> bool:
    verdict = result.get("verdict")
    return isinstance(verdict, Mapping) and verdict.get("healthy") is True


def text(result: Mapping[str, Any]) -> str:
    """Return what a task said, in one line."""
    return " ".join(str(result.get("msg") or "no reason given").split())
