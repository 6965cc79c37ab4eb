# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a run: events in, a live view or plain lines out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from .._model.host import Clock
from .board import Board, plain
from .events import Event, Moved, Planned, begun, ended
from .live import LiveView, can_live


class Watch:
    """`view`: auto (live where there is a terminal for it) or plain. `say` prints a line."""

    def __init__(self, view: str, clock: Clock, say: Callable[[str], None]) -> None:
        self._view = view
        self._clock = clock
        self._say = say
        self._board: Board | None = None
        self._live: LiveView | None = None

    def begun(self, action: str, host: str) -> None:
        """A task has begun on a host."""
        self._take(begun(action, host))

    def ended(
        self, action: str, arguments: Mapping[str, Any], host: str, result: Mapping[str, Any], unreachable: bool = False
    ) -> None:
        """A task has ended on a host."""
        self._take(ended(action, arguments, host, result, unreachable))

    def close(self) -> None:
        """The run is over, or the view is given up."""
        live, self._live, self._board = self._live, None, None
        if live is not None:
            live.close()

    def _take(self, event: Event | None) -> None:
        now = self._clock.monotonic()
        if isinstance(event, Planned):
            self.close()
            self._board = Board(event, now)
            if self._view != "plain" and can_live(sys.stdout):
                self._live = LiveView(self._board, self._clock)
        elif not isinstance(event, Moved) or self._board is None or self._board.move(event, now) is None:
            return
        if self._live is not None:
            self._live.update()
        elif self._board is not None:
            line = plain(self._board, event, now)
            if line is not None:
                self._say(line)
