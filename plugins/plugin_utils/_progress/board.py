# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands, as far as this run has seen it: hosts, waves, elapsed, how long it may still take. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .._model.phase import BAD, IN_FLIGHT, Phase
from .events import Event, Moved, Planned

# Phases in which the turn of a host is over.
_OVER = BAD | {Phase.CONFIRMED}


@dataclass(frozen=True)
class Line:
    """A host on the board. `since`, `entered`: monotonic seconds of its phase and of its turn."""

    host: str
    wave: int
    phase: Phase
    since: float
    entered: float | None = None
    why: str = ""


class Board:
    """The board of one rollout. Times are monotonic seconds, given by the caller."""

    def __init__(self, planned: Planned, now: float) -> None:
        self.name = printable(planned.name)
        self.began = now
        self.waves = len(planned.waves)
        self._max_unavailable = max(1, planned.max_unavailable)
        self._turns: list[float] = []
        self._lines = {
            host: Line(host, number, Phase.STEADY if host in planned.going else Phase.CONFIRMED, now)
            for number, wave in enumerate(planned.waves, 1)
            for host in wave
        }
        # Kept beside the lines: in a large fleet nobody wants to count at every step.
        self._counts: dict[int, Counter[Phase]] = {number: Counter() for number in range(1, self.waves + 1)}
        for line in self._lines.values():
            self._counts[line.wave][line.phase] += 1
        self._notable: dict[str, Line] = {}

    def move(self, moved: Moved, now: float) -> Line | None:
        """Take note of a step; return the new line, None where the step is no news."""
        old = self._lines.get(moved.host)
        if old is None or old.phase is moved.phase:
            return None
        if moved.phase is Phase.ACTIVATING and old.phase is not Phase.GUARDED:
            return None  # a task begins also where its condition then leaves it out
        entered = now if moved.phase is Phase.GUARDED else old.entered
        if moved.phase is Phase.CONFIRMED and entered is not None:
            self._turns.append(now - entered)
        line = replace(old, phase=moved.phase, since=now, entered=entered, why=printable(moved.why))
        self._lines[moved.host] = line
        self._counts[line.wave][old.phase] -= 1
        self._counts[line.wave][line.phase] += 1
        if line.phase in IN_FLIGHT | BAD:
            self._notable[moved.host] = line
        else:
            self._notable.pop(moved.host, None)
        return line

    def line(self, host: str) -> Line:
        return self._lines[host]

    def notable(self) -> list[Line]:
        """Return the hosts in flight, then the failed ones, each in the order in which they started."""
        return sorted(self._notable.values(), key=lambda one: one.phase in BAD)

    def count(self, phases: Iterable[Phase], wave: int | None = None) -> int:
        """Return how many hosts, of one wave or of all, are in one of `phases`."""
        counts = self._counts.values() if wave is None else [self._counts[wave]]
        return sum(one[phase] for one in counts for phase in phases)

    def size(self, wave: int | None = None) -> int:
        """Return how many hosts there are, in one wave or in all."""
        return self.count(Phase, wave)

    def left(self, now: float) -> float | None:
        """Return how many seconds the hosts that are left may take; None before the first turn has shown it.

        Each wave takes as many rounds of `max_unavailable` hosts as it has hosts left; a round takes a mean turn, less
        what the youngest of the hosts in flight has behind it.
        """
        if not self._turns:
            return None
        turn = sum(self._turns) / len(self._turns)
        seconds = 0.0
        for wave in self._counts:
            going = self.size(wave) - self.count(_OVER, wave)
            flying = [one for one in self.notable() if one.wave == wave and one.phase in IN_FLIGHT]
            behind = [now - one.entered for one in flying if one.entered is not None]
            seconds += math.ceil(going / self._max_unavailable) * turn - min([turn, *behind] if behind else [0.0])
        return max(0.0, seconds)


def plain(board: Board, event: Event, now: float) -> str | None:
    """Return the one line that tells of an event; None for what is not worth one. The board knows of it already."""
    if isinstance(event, Planned):
        return f"rollout {board.name}: {board.size()} hosts in {board.waves} waves, {len(event.going)} to go"
    if event.phase in (Phase.STEADY, Phase.STAGED):
        return None
    line = board.line(event.host)
    left = board.left(now)
    parts = [
        f"{board.count({Phase.CONFIRMED})}/{board.size()} confirmed",
        f"{board.count(IN_FLIGHT)} in flight",
        f"{board.count(BAD)} failed",
        f"{clock(now - board.began)} elapsed",
    ]
    parts += [] if left is None else [f"about {clock(left)} left"]
    told = f": {line.why}" if event.phase in BAD and line.why else ""
    where = f"rollout {board.name}, wave {line.wave}/{board.waves}"
    return f"{where}: {printable(line.host)} {words(event.phase)}{told} ({', '.join(parts)})"


def words(phase: Phase) -> str:
    return phase.value.replace("_", " ")


def clock(seconds: float) -> str:
    """Return a time span as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def printable(text: str) -> str:
    """Return `text` without what would steer a terminal."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)
