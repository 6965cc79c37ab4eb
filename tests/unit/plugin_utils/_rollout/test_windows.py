# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance windows, over midnight and over changes of the clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.windows import DAYS, Window, wait_for

UTC = timezone.utc
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def _window(start: Any, end: Any, tz: str = "Europe/Berlin", days: list[str] | None = None) -> Window:
    return Window.parse({"from": start, "to": end, "tz": tz, "days": days or []}, "window 1")


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        pytest.param(_window("22:00", "04:00"), "2026-11-28 21:00", True, id="opens"),
        pytest.param(_window("22:00", "04:00"), "2026-11-28 20:59:59", False, id="a second before"),
        pytest.param(_window("22:00", "04:00"), "2026-11-29 02:59:59", True, id="over midnight"),
        pytest.param(_window("22:00", "04:00"), "2026-11-29 03:00", False, id="closes"),
        pytest.param(_window("22:00", "04:00", days=["sat"]), "2026-11-29 02:00", True, id="began on saturday"),
        pytest.param(
            _window("22:00", "04:00", days=["sun"]), "2026-11-29 02:00", False, id="it did not begin on sunday"
        ),
        pytest.param(_window("00:00", "24:00", days=["sat"]), "2026-11-28 22:59:59", True, id="whole day"),
        pytest.param(_window("00:00", "24:00", days=["sat"]), "2026-11-28 23:00", False, id="whole day is over"),
        pytest.param(_window(1320, "04:00"), "2026-11-28 21:00", True, id="22:00 as YAML reads it"),
    ],
)
def test_contains(window: Window, at: str, inside: bool) -> None:
    assert window.contains(_utc(at)) is inside


@pytest.mark.parametrize(
    ("start", "end", "day", "opens", "closes"),
    [
        # 2026-03-29 02:00 CET is 03:00 CEST; 2026-10-25 03:00 CEST is 02:00 CET.
        pytest.param("01:00", "04:00", "2026-03-29", "00:00", "02:00", id="short night"),
        pytest.param("02:30", "04:00", "2026-03-29", "01:00", "02:00", id="its beginning is skipped"),
        pytest.param("01:30", "02:30", "2026-03-29", "00:30", "01:00", id="its end is skipped"),
        pytest.param("01:00", "04:00", "2026-10-25", "2026-10-24 23:00", "03:00", id="long night"),
        pytest.param("01:00", "02:30", "2026-10-25", "2026-10-24 23:00", "00:30", id="ends at the first 02:30"),
        pytest.param("02:30", "03:30", "2026-10-25", "00:30", "02:30", id="begins at the first 02:30"),
    ],
)
def test_change_of_the_clock(start: str, end: str, day: str, opens: str, closes: str) -> None:
    span = _window(start, end).on(datetime.fromisoformat(day).date())
    assert span == tuple(_utc(text if " " in text else f"{day} {text}") for text in (opens, closes))


def test_skipped_as_a_whole_it_opens_a_day_later() -> None:
    window = _window("02:00", "03:00")
    assert window.on(datetime(2026, 3, 29).date()) is None
    assert window.next_opening(_utc("2026-03-28 12:00")) == _utc("2026-03-30 00:00")
    assert _window("02:00", "03:00", days=["sun"]).next_opening(_utc("2026-03-28 12:00")) == _utc("2026-04-05 00:00")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("always", "must be a dictionary"),
        ({"from": "1:00", "to": "2:00", "zone": "UTC"}, "there is no zone; it has days, from, to, tz, hosts"),
        ({"from": "1:00", "to": "2:00", "days": ["someday"]}, "a list out of mon"),
        ({"from": "1:00", "to": "2:00", "days": "mon"}, "a list out of mon"),
        ({"from": "1:00", "to": "1:00"}, "is no time at all"),
        ({"from": "24:00", "to": "01:00"}, "is no time at all"),
        ({"from": "25:00", "to": "1:00"}, "no time of the day"),
        ({"from": "22:60", "to": "1:00"}, "no time of the day"),
        ({"from": True, "to": "1:00"}, "no time of the day"),
        ({"to": "1:00"}, "window 1: from: None is no time"),
        ({"from": "1:00", "to": "2:00", "tz": "Mars/Olympus"}, "cannot use time zone 'Mars/Olympus'"),
        ({"from": "1:00", "to": "2:00", "tz": "../etc/passwd"}, "cannot use time zone"),
        ({"from": "1:00", "to": "2:00", "hosts": "rack =="}, "window 1: hosts"),
    ],
)
def test_bad_windows_are_refused(value: object, words: str) -> None:
    with pytest.raises(Refused, match=words):
        Window.parse(value, "window 1")


_WINDOWS = st.builds(
    lambda days, start, end, tz: _window(start, end if end != start else (end + 1) % 1440, tz, days),
    st.lists(st.sampled_from(DAYS), unique=True),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sampled_from(ZONES),
)
_TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@given(_WINDOWS, _TIMES)
def test_opening_is_the_beginning_of_being_inside(window: Window, at: datetime) -> None:
    opens = window.next_opening(at)
    assert opens is not None
    assert at < opens <= at + timedelta(days=15)
    assert window.contains(opens)
    expected = at if window.contains(at) else opens
    assert wait_for([window], at) == expected


@given(_WINDOWS, _TIMES)
def test_inside_is_one_stretch_on_the_right_day(window: Window, at: datetime) -> None:
    """Whatever the clocks do, a window opens on its day, once, and is never longer than a day and a change."""
    zone = ZoneInfo(window.tz)
    day = at.astimezone(zone).date()
    span = window.on(day)
    if span is None:
        return
    opens, closes = span
    assert day.weekday() in window.days
    assert opens.astimezone(zone).date() == day
    assert timedelta(0) < closes - opens <= timedelta(hours=25)
    assert window.contains(opens)
    assert window.contains(closes - timedelta(seconds=1))


@given(_WINDOWS)
def test_what_it_says_of_itself_can_be_read_again(window: Window) -> None:
    assert Window.parse(window.native(), "window 1") == window


def test_several_windows_the_first_one_counts() -> None:
    at = _utc("2026-11-28 12:00")
    later, sooner = _window("20:00", "21:00", "UTC"), _window("13:00", "14:00", "UTC")
    assert wait_for([later, sooner], at) == _utc("2026-11-28 13:00")
    assert wait_for([], at) is None
