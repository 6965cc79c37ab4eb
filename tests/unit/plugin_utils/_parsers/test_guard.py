# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's records on a host."""

from __future__ import annotations

import random

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import FallbackCause
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.guard import parse_guard

ARMED = (
    "target=new.0\ntarget_digest=new\nrollback_to=old.0\nconfirm_within=600\narmed_at=100\nboot_id_before=boot-0\n"
    "covers=confirmation boot hang\n"
)
FALLBACK = "cause=not_confirmed\ntarget=new.0\ntarget_digest=new\nrollback_to=old.0\nat=900\nevidence=units: a=b, c\n"


def _files(**contents: str) -> str:
    return "".join(f"\n@@flotilla-file /var/lib/flotilla/guard/{name}\n{text}" for name, text in contents.items())


def test_nothing_armed() -> None:
    assert parse_guard("", "boot-0") == (None, None)


def test_armed_before_its_boot_has_no_deadline() -> None:
    guard, fallback = parse_guard(_files(armed=ARMED), "boot-0")
    assert fallback is None
    assert guard is not None
    assert guard.deadline is None
    assert (guard.target, guard.target_digest, guard.rollback_to) == ("new.0", "new", "old.0")
    assert guard.covers == ("confirmation", "boot", "hang")


def test_on_trial_in_this_boot_only() -> None:
    text = _files(armed=ARMED, trial="boot_id=boot-1\nbooted_at=1000\n")
    guard, _fallback = parse_guard(text, "boot-1")
    assert guard is not None
    assert guard.deadline == 1600
    guard, _fallback = parse_guard(text, "boot-2")
    assert guard is not None
    assert guard.deadline is None


def test_fallback_says_why() -> None:
    guard, fallback = parse_guard(_files(fallback=FALLBACK), "boot-2")
    assert guard is None
    assert fallback is not None
    assert fallback.cause is FallbackCause.NOT_CONFIRMED
    assert fallback.evidence == "units: a=b, c"
    assert fallback.at == 900


@pytest.mark.parametrize("lost", ["target=new.0\n", "confirm_within=600\n", "armed_at=100\n"])
def test_record_with_a_part_missing_is_an_error_and_not_no_guard(lost: str) -> None:
    with pytest.raises(CannotParse, match="the guard's record on the host"):
        parse_guard(_files(armed=ARMED.replace(lost, "")), "boot-0")


@pytest.mark.parametrize("text", ["", "cause=tired\n", FALLBACK.replace("at=900", "at=soon")])
def test_fallback_of_unknown_form(text: str) -> None:
    with pytest.raises(CannotParse, match="record of a fallback"):
        parse_guard(_files(fallback=text), "boot-0")


def test_damage_never_ends_in_a_traceback_or_in_silence() -> None:
    whole = _files(armed=ARMED, trial="boot_id=boot-1\nbooted_at=1000\n", fallback=FALLBACK)
    chance = random.Random(3)
    for _again in range(10_000):
        text = list(whole)
        del text[chance.randrange(len(text)) :]
        for _damage in range(chance.randint(0, 3)):
            if text:
                text[chance.randrange(len(text))] = chance.choice("\n =\x00x9")
        damaged = "".join(text)
        try:
            guard, _fallback = parse_guard(damaged, "boot-1")
        except CannotParse:
            continue
        assert guard is not None or "\n@@flotilla-file /var/lib/flotilla/guard/armed\n" not in damaged
