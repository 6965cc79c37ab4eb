# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock for tests of what waits."""

from __future__ import annotations


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds
