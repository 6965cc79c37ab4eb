# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows: days, times on the wall clock, a time zone. Pure: what time it is comes from the caller.

A window begins on each of its days; one that ends before the time of its beginning ends on the next day. When clocks
change, a time that is shown twice counts the first time, and one that is skipped is the moment of the skip: a window is
never torn in two, and one that is skipped as a whole does not open on that day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .._errors import Refused
from .selector import Selector

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEYS = ("days", "from", "to", "tz", "hosts")
_DAY = 24 * 60
# How far (days) an opening is looked for: a week, and one more where the clock skips the first.
_AHEAD = 15


@dataclass(frozen=True)
class Window:
    """`days`: 0 is Monday. `start`, `end`: minutes since midnight, up to 1440. `hosts`: whom it is for; None: all."""

    days: tuple[int, ...]
    start: int
    end: int
    tz: str
    hosts: Selector | None = None
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", _zone(self.tz))

    @classmethod
    def parse(cls, value: object, what: str) -> Window:
        """Read `{days: [sat, sun], from: "22:00", to: "04:00", tz: Europe/Berlin, hosts: QUERY}`. Raises Refused."""
        if not isinstance(value, Mapping):
            raise Refused(f"cannot read {what}: it must be a dictionary of {', '.join(_KEYS)}, not {value!r}")
        unknown = sorted(set(map(str, value)) - set(_KEYS))
        if unknown:
            raise Refused(f"cannot read {what}: there is no {unknown[0]}; it has {', '.join(_KEYS)}")
        days = value.get("days") or DAYS
        if not isinstance(days, Sequence) or isinstance(days, str) or any(str(day).lower() not in DAYS for day in days):
            raise Refused(f"cannot read {what}: days must be a list out of {', '.join(DAYS)}, not {days!r}")
        start, end = (_minutes(value.get(name), f"{what}: {name}") for name in ("from", "to"))
        if start in (end, _DAY):
            raise Refused(
                f"cannot read {what}: from {_clock(start)} to {_clock(end)} is no time at all; a whole day is from "
                '"00:00" to "24:00"'
            )
        numbers = tuple(sorted({DAYS.index(str(day).lower()) for day in days}))
        hosts = value.get("hosts")
        selector = None if hosts is None else Selector.parse(hosts, f"{what}: hosts")
        return cls(numbers, start, end, str(value.get("tz") or "UTC"), selector)

    def native(self) -> dict[str, Any]:
        return {
            "days": [DAYS[day] for day in self.days],
            "from": _clock(self.start),
            "to": _clock(self.end),
            "tz": self.tz,
            "hosts": None if self.hosts is None else self.hosts.expression,
        }

    def __str__(self) -> str:
        days = "every day" if len(self.days) == len(DAYS) else " ".join(DAYS[day] for day in self.days)
        return f"{days} {_clock(self.start)}-{_clock(self.end)} {self.tz}"

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """Return when the window that begins on `day` opens and closes (UTC); None where it does not open."""
        if day.weekday() not in self.days:
            return None
        end = self.end if self.end > self.start else self.end + _DAY
        opens, closes = _instant(day, self.start, self._zone), _instant(day, end, self._zone)
        return (opens, closes) if opens < closes else None

    def contains(self, at: datetime) -> bool:
        """Tell whether `at`, which has a time zone, is within the window: from its opening, up to its closing."""
        today = at.astimezone(self._zone).date()
        return any(
            span is not None and span[0] <= at < span[1] for span in map(self.on, (today - timedelta(days=1), today))
        )

    def next_opening(self, at: datetime) -> datetime | None:
        """Return the first opening (UTC) after `at`; None where there is none in sight."""
        today = at.astimezone(self._zone).date()
        for ahead in range(_AHEAD):
            span = self.on(today + timedelta(days=ahead))
            if span is not None and span[0] > at:
                return span[0]
        return None


def wait_for(windows: Iterable[Window], at: datetime) -> datetime | None:
    """Return when the first of `windows` is open, at `at` or later (UTC); None where none ever opens."""
    found = [at if window.contains(at) else window.next_opening(at) for window in windows]
    return min((one for one in found if one is not None), default=None)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise Refused(
            f"cannot use time zone {name!r}: the controller knows no such IANA time zone (is tzdata installed?)"
        ) from exc


def _minutes(value: object, what: str) -> int:
    """Read "22:00". YAML makes the number 1320 of 22:00 without quotes: minutes, as it happens."""
    found = re.fullmatch(r"(\d{1,2}):(\d\d)", str(value))
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else None
    if minutes is None and isinstance(value, int) and not isinstance(value, bool):
        minutes = value
    if minutes is None or not 0 <= minutes <= _DAY:
        raise Refused(f'cannot read {what}: {value!r} is no time of the day such as "22:00"')
    return minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return when the clock of `zone` first shows `minutes` after the midnight of `day`, or skips it."""
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)
    first = wall.replace(tzinfo=zone).astimezone(timezone.utc)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # Skipped. The offset after the change puts it before the change, the one before puts it after: close in on it.
    early, late = wall.replace(tzinfo=zone, fold=1).astimezone(timezone.utc), first
    offset = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == offset else (early, middle)
    return late
