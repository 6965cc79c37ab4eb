# SPDX-License-Identifier: GPL-3.0-or-later
"""The board at the foot of a terminal, drawn by rich; what Ansible prints scrolls above it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TextIO

try:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text
except ImportError:  # then there are plain lines
    HAS_RICH = False
else:
    HAS_RICH = True

from .._model.host import Clock
from .._model.phase import BAD, IN_FLIGHT, Phase
from .board import Board, clock, printable, words

# How often (s) elapsed times move on.
TICK = 1.0
# How many waves and hosts are shown: the foot must leave room for what Ansible prints.
MOST_WAVES = 5
MOST_HOSTS = 12
_STYLES = {Phase.CONFIRMED: "green", **dict.fromkeys(BAD, "bold red"), **dict.fromkeys(IN_FLIGHT, "bold blue")}
_MARKS = {Phase.CONFIRMED: "+", **dict.fromkeys(BAD, "!"), **dict.fromkeys(IN_FLIGHT, ">")}


def can_live(stream: TextIO) -> bool:
    """Tell whether a live view is possible: rich is there, and a terminal that can move its cursor."""
    return HAS_RICH and stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def _apart(stream: TextIO) -> TextIO:
    """Return a stream of our own onto the same terminal.

    Ansible (`ansible/utils/display.py: _synchronize_textiowrapper`) has a lock around writing on its own, and holds it
    while it prints through rich, which has a lock as well: two threads that take these in turn would wait for ever.
    """
    stream.flush()
    return os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors=stream.errors)


class LiveView:
    """Draws a board until it is closed. Its own thread moves the clocks on; it never runs while Ansible forks."""

    def __init__(self, board: Board, time: Clock, stream: TextIO | None = None) -> None:
        self._board = board
        self._time = time
        self._lock = threading.RLock()
        self._closed = False
        self._end = threading.Event()
        self._streams = (sys.stdout, sys.stderr)
        self._own = None if stream else _apart(sys.stdout)
        console = Console(file=stream or self._own, markup=False, highlight=False, emoji=False)
        self._live = Live(self._draw(), console=console, auto_refresh=False, transient=False)
        self._live.start()
        os.register_at_fork(before=self._hold, after_in_parent=self._go_on, after_in_child=self._leave)
        atexit.register(self.close)
        threading.Thread(target=self._tick, name="rollout view", daemon=True).start()

    def update(self) -> None:
        """Draw the board as it is now."""
        with self._lock:
            if not self._closed:
                self._live.update(self._draw(), refresh=True)

    def close(self) -> None:
        """Draw it a last time and give the terminal back."""
        with self._lock:
            if not self._closed:
                self._live.update(self._draw())
                self._closed = True
                self._end.set()
                self._live.stop()
                if self._own is not None:
                    self._own.close()

    def _draw(self) -> Group:
        return draw(self._board, self._time.monotonic())

    def _tick(self) -> None:
        while not self._end.wait(TICK):
            self.update()

    # A worker is forked in the middle of all this. It must find no lock held, and no stream that draws.

    def _hold(self) -> None:
        self._lock.acquire()

    def _go_on(self) -> None:
        self._lock.release()

    def _leave(self) -> None:
        self._lock.release()
        # (The event is left alone: the thread that waits for it may have held its lock when it was left behind.)
        if not self._closed:
            self._closed = True
            sys.stdout, sys.stderr = self._streams


def draw(board: Board, now: float) -> Group:
    """Return the picture of a board."""
    confirmed, total = board.count({Phase.CONFIRMED}), board.size()
    left = board.left(now)
    head = Text.assemble(
        ("rollout ", "dim"),
        (board.name, "bold"),
        f"  {confirmed}/{total} confirmed, {board.count(IN_FLIGHT)} in flight, {board.count(BAD)} failed  ",
        (f"{clock(now - board.began)} elapsed" + ("" if left is None else f", about {clock(left)} left"), "dim"),
    )
    waves = Table.grid(padding=(0, 2))
    for number in _waves(board):
        done, size = board.count({Phase.CONFIRMED}, number), board.size(number)
        progress = ProgressBar(total=max(1, size), completed=done, width=30)
        bad = board.count(BAD, number)
        tail = Text(f"{bad} failed", "bold red") if bad else Text("")
        waves.add_row(Text(f"wave {number}/{board.waves}"), progress, Text(f"{done}/{size}"), tail)
    hosts = Table.grid(padding=(0, 2))
    notable = board.notable()
    for line in notable[:MOST_HOSTS]:
        style = _STYLES.get(line.phase, "")
        hosts.add_row(
            Text(_MARKS.get(line.phase, " "), style),
            Text(printable(line.host), overflow="ellipsis", no_wrap=True),
            Text(words(line.phase), style),
            Text(clock(now - line.since), "dim"),
            Text(line.why if line.phase in BAD else "", "dim", overflow="ellipsis", no_wrap=True),
        )
    hidden = len(notable) - MOST_HOSTS
    rest = [Text(f"  and {hidden} more", "dim")] if hidden > 0 else []
    return Group(head, waves, *([hosts] if notable else []), *rest)


def _waves(board: Board) -> list[int]:
    """Return the waves to show, those that are not done first of all."""
    numbers = range(1, board.waves + 1)
    undone = [one for one in numbers if board.count({Phase.CONFIRMED}, one) < board.size(one)]
    done = [one for one in numbers if one not in undone]
    room = max(0, MOST_WAVES - len(undone))
    return sorted([*undone[:MOST_WAVES], *(done[-room:] if room else [])])
