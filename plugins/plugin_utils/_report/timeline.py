# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the hosts of a rollout stood, and how long: bars on a common time axis. Pure geometry, nothing of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.phase import BAD, IN_FLIGHT, Phase

# The length of the time axis, in units of the drawing.
LENGTH = 1000
# A bar is never shorter than this: it would not be seen.
SHORTEST = 6.0
# Steps (s) between the marks of the axis, and how many steps there may be.
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800)
MOST_STEPS = 6


@dataclass(frozen=True)
class Bar:
    """One phase of one host. `start`, `length`: units of the drawing. `kind`: wait, fly, good or bad."""

    kind: str
    start: float
    length: float
    text: str


@dataclass(frozen=True)
class Mark:
    """A mark of the axis: where, in percent of its length, and the time since the beginning."""

    percent: float
    text: str


@dataclass(frozen=True)
class Timeline:
    """`bars`: host to its bars, oldest first. `seconds`: what the axis spans."""

    bars: Mapping[str, tuple[Bar, ...]]
    marks: tuple[Mark, ...]
    seconds: int


def timeline(document: Mapping[str, Any]) -> Timeline:
    """Return the drawing of a report. It ends with the rollout, or with the last that was heard of it."""
    rollout = document["rollout"]
    heard = [step["epoch"] for one in document["hosts"] for step in one["transitions"]]
    begin = rollout["began_epoch"]
    end = max([begin, *heard, rollout["ended_epoch"] or begin])
    span = max(1, end - begin)
    bars = {one["host"]: _bars(one, begin, end, LENGTH / span) for one in document["hosts"]}
    step = next((one for one in _STEPS if span / one <= MOST_STEPS), span)
    marks = tuple(Mark(100 * at / span, duration(at)) for at in range(0, span + 1, step))
    return Timeline(bars, marks, end - begin)


def kind(phase: str) -> str:
    """Return how a phase is drawn."""
    if Phase(phase) is Phase.CONFIRMED:
        return "good"
    if Phase(phase) in BAD:
        return "bad"
    return "fly" if Phase(phase) in IN_FLIGHT else "wait"


def duration(seconds: int | None) -> str:
    """Return a time span as people say it, in its two largest units."""
    if seconds is None:
        return "\N{EN DASH}"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    left = seconds
    for unit, size in units:
        count, left = divmod(left, size)
        if count:
            parts.append((unit, count))
    if not parts:
        return "0 s"
    # Two units that are neighbours, or one: "1 d 3 s" would claim a precision that helps nobody.
    order = [unit for unit, _size in units]
    first = parts[0]
    near = [one for one in parts[1:2] if order.index(one[0]) == order.index(first[0]) + 1]
    return " ".join(f"{count}\N{NO-BREAK SPACE}{unit}" for unit, count in [first, *near])


def _bars(host: Mapping[str, Any], begin: int, end: int, scale: float) -> tuple[Bar, ...]:
    steps = host["transitions"]
    first = steps[0]["from"] if steps else host["phase"]
    points = [(begin, first), *((step["epoch"], step["phase"]) for step in steps)]
    bars: list[Bar] = []
    for number, (at, phase) in enumerate(points):
        until = points[number + 1][0] if number + 1 < len(points) else end
        last = number + 1 == len(points)
        if until <= at and not last:
            continue  # passed through within a second
        start = min((at - begin) * scale, LENGTH - SHORTEST)
        length = max((until - at) * scale, SHORTEST)
        text = f"{phase.replace('_', ' ')} for {duration(until - at)}"
        bars.append(Bar(kind(phase), round(start, 2), round(min(length, LENGTH - start), 2), text))
    return tuple(bars)
