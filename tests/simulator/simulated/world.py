# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated time, and what happens in it: one event after the other, in one process, in one order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

# A simulated activity: it yields the seconds until it goes on.
Activity = Iterator[float]


class World:
    """`now` in seconds since the episode began. After each event every watcher is called."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watchers: list[Callable[[], None]] = []
        self._number = 0
        self._coming: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._coming, (self.now + max(0.0, seconds), self._number, event))

    def run(self, until: float = float("inf")) -> None:
        """Let everything happen that is to come, up to `until`."""
        while self._coming and self._coming[0][0] <= until:
            self.now, _number, event = heapq.heappop(self._coming)
            event()
            for watch in self.watchers:
                watch()
        if until != float("inf"):
            self.now = max(self.now, until)

    def start(self, activity: Activity, may_go_on: Callable[[], float | None]) -> None:
        """Let `activity` go on until it ends. `may_go_on`, asked before each step: None ends it, seconds delay it."""

        def step() -> None:
            delay = may_go_on()
            if delay is None:
                return
            if delay > 0:
                self.after(delay, step)
                return
            try:
                pause = next(activity)
            except StopIteration:
                return
            self.after(pause, step)

        self.after(0, step)
