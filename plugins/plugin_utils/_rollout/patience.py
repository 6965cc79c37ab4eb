# SPDX-License-Identifier: GPL-3.0-or-later
"""How long, and how often, to try again what the database did not take. Pure but for the clock that is given."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import TypeVar

from .._errors import FlotillaError
from .._model.host import Clock
from .database import LedgerGone

# How long (s) the end of a turn is held for a database that does not answer. Long enough for a restart or a fail-over
# of the server; in a longer outage the host is found again by the next run. A worker is kept for so long.
RECORD_PATIENCE = 600.0
# The pauses (s) between tries double from the first to the longest; each is cut by up to half, differently for each
# host, so that a fleet does not knock all at once when the server comes back.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0

T = TypeVar("T")


def pause(key: str, attempt: int) -> float:
    """Return the seconds to wait after the failed `attempt` (from 0) of `key`. Same input, same pause."""
    whole = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 10))
    share = int.from_bytes(hashlib.sha256(f"{key} {attempt}".encode()).digest()[:4], "big") / 2**32
    return whole * (1 - share / 2)


def until_recorded(
    key: str,
    act: Callable[[], T],
    clock: Clock,
    say: Callable[[str], None],
    goal: str | None = None,
    otherwise: str = "the host counts as lost until the next run has seen it",
) -> T:
    """Return what `act` does, tried again while the database is gone, for RECORD_PATIENCE seconds.

    `act` must be safe to repeat: a try that failed may have been recorded all the same. `goal`: what it is for, where
    that is not to record how the turn of the host `key` ended. `otherwise`: what is the matter when that failed.
    Raises FlotillaError when the time is over; any other error of `act` at once.
    """
    goal = goal or f"record how the turn of {key} ended"
    began = clock.monotonic()
    for attempt in itertools.count():
        try:
            return act()
        except LedgerGone as exc:  # noqa: PERF203 (a loop of tries is what this is)
            seconds = pause(key, attempt)
            if clock.monotonic() - began + seconds > RECORD_PATIENCE:
                raise FlotillaError(
                    f"cannot {goal}: {exc}; gave up after {RECORD_PATIENCE:.0f} s; {otherwise}"
                ) from exc
            if attempt == 0:
                say(f"waiting for the ledger: {exc}")
            clock.sleep(seconds)
    raise AssertionError("the tries have no end of their own")
