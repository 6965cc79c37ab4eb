# SPDX-License-Identifier: GPL-3.0-or-later
"""Halt, pause, resume: recorded with who and why, and nothing but the word to resume takes them back."""

from __future__ import annotations

from pathlib import Path

import pytest
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.word import Word, give

OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
POLICY = Policy.parse({"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 0})
FLEET = [Seen(name, driver="ostree", booted=OLD, offer=NEW) for name in ("h1", "h2")]


def _start(path: Path) -> Conductor:
    conductor = Conductor(Ledger(f"sqlite:///{path}/ledger.sqlite"), "upgrade", "c1", lambda _one: False)
    conductor.plan(FLEET, POLICY, check=False)
    conductor.staged({one.host: {"host_state": {"staged": {"digest": NEW.digest}}, "msg": "staged"} for one in FLEET})
    return conductor


def _state(conductor: Conductor) -> str:
    record = conductor.ledger.rollout("upgrade")
    assert record is not None
    return record.state


def _give(conductor: Conductor, word: Word) -> bool:
    return give(conductor.ledger, "upgrade", word, "ada", "a look first")[0]


def test_halt_stands_over_failures_the_end_and_a_new_plan(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    conductor.enter("h1", 600, Clock(), lambda _text: None)
    assert _give(conductor, Word.HALTED)
    assert not _give(conductor, Word.HALTED)
    with pytest.raises(Exception, match="halted by ada.*a look first; h2 was not touched"):
        conductor.enter("h2", 600, Clock(), lambda _text: None)
    with pytest.raises(Exception, match="h1 failed"):
        conductor.leave("h1", Left(Phase.FAILED, "it broke"))
    assert _state(conductor) == "halted"
    conductor.end()
    with pytest.raises(Refused, match="halted by ada.*container_os.resume"):
        conductor.plan(FLEET, POLICY, check=False)
    assert _state(conductor) == "halted"
    assert _give(conductor, Word.RESUMED)
    assert _state(conductor) == "stopped"
    assert conductor.plan(FLEET, POLICY, check=False).order


def test_paused_host_waits_says_so_each_minute_and_not_for_ever(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _give(conductor, Word.PAUSED)
    said: list[str] = []
    clock = Clock()
    with pytest.raises(Exception, match="paused by ada.*it has waited 300 s.*h1 was not touched"):
        conductor.enter("h1", 600, clock, said.append, pause_timeout=300)
    assert 300 < clock.now < 310
    assert len(said) == 5
    assert _state(conductor) == "paused"


def test_resumed_host_goes_on(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _give(conductor, Word.PAUSED)
    asking = conductor.entering("h1", 600, Clock(), lambda _text: None)
    next(asking)
    _give(conductor, Word.RESUMED)
    with pytest.raises(StopIteration) as admitted:
        next(asking)
    assert admitted.value.value["admitted"] is True
    assert not _give(conductor, Word.RESUMED)


def test_paused_rollout_is_not_replaced(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    _give(conductor, Word.PAUSED)
    other = Policy.parse({"waves": ["100%"], "max_unavailable": 2, "max_failures": 0})
    with pytest.raises(Refused, match="paused by ada"):
        conductor.plan(FLEET, other, check=False)
    assert conductor.plan(FLEET, POLICY, check=False).resumed
    assert _state(conductor) == "paused"


def test_words_are_kept(tmp_path: Path) -> None:
    conductor = _start(tmp_path)
    for word in (Word.PAUSED, Word.RESUMED, Word.HALTED):
        _give(conductor, word)
    record = conductor.ledger.rollout("upgrade")
    assert record is not None
    words = conductor.ledger.words(record.id)
    assert [(one["word"], one["who"]) for one in words] == [("paused", "ada"), ("resumed", "ada"), ("halted", "ada")]


@pytest.mark.parametrize(("case", "reason"), [("none", "has none of that name"), ("weaker", "which is more")])
def test_word_that_nobody_can_obey(tmp_path: Path, case: str, reason: str) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    if case == "weaker":
        _give(_start(tmp_path), Word.HALTED)
    with pytest.raises(Refused, match=reason):
        give(ledger, "upgrade", Word.PAUSED, "ada", "a look first")
