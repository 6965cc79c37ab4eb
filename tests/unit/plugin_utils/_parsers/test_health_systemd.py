# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of systemctl, as they come out of the systemd probe."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_systemd import parse_systemd

ACTIVE = "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nNRestarts=2\n"
TIMER = "Id=b.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\nResult=success\n"
REST = "@@flotilla-failed\n@@flotilla-system\nrunning\n"


def test_units_keep_the_names_that_were_asked_for() -> None:
    found = parse_systemd(f"{ACTIVE}\n{TIMER}{REST}", ["alias.service", "b.timer"])
    assert found["units"]["alias.service"] == {
        "load": "loaded",
        "active": "active",
        "sub": "running",
        "result": "success",
        "restarts": 2,
    }
    assert found["units"]["b.timer"]["restarts"] is None
    assert (found["failed"], found["system"]) == ([], "running")


def test_failed_units_with_and_without_a_dot() -> None:
    text = "@@flotilla-failed\nb.service loaded failed failed B\n● a.mount loaded failed failed A\n* c.service x\n"
    assert parse_systemd(f"{text}@@flotilla-system\n", [])["failed"] == ["a.mount", "b.service", "c.service"]


def test_no_word_for_the_system_is_none() -> None:
    assert parse_systemd("@@flotilla-failed\n@@flotilla-system\n", [])["system"] is None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (ACTIVE, "some are missing"),
        (f"{ACTIVE}@@flotilla-failed\n", "some are missing"),
        (REST, "asked for 1 units, it shows 0"),
        (f"Id=a.service\nActiveState=\n{REST}", "no ActiveState for a.service"),
    ],
)
def test_half_an_answer_is_none(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_systemd(text, ["a.service"])
