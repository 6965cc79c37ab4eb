# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks that run the hooks of a wave ask for, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from backends import ledger_url
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import wave_task
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.controller import is_gone, this_controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger, LedgerGone
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.wave_task import WaveTask

OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
STAGED = {"host_state": {"staged": {"digest": NEW.digest}, "booted": {"digest": OLD.digest}}, "msg": "staged"}


def _given(path: Path) -> dict[str, Any]:
    """Plan a rollout of one host, and ask the gate; return the hook that the host is given."""
    run = Conductor(Ledger(ledger_url(path)), "upgrade", this_controller(), is_gone)
    run.plan([Seen("h1", driver="ostree", booted=OLD, offer=NEW)], Policy.parse({"waves": [1]}), check=False)
    run.staged({"h1": STAGED})
    return dict(run.enter("h1", 600, Clock(), lambda _text: None, hook_lease=60)["hook"])


def _task(path: Path, state: str, hook: dict[str, Any], **options: Any) -> dict[str, Any]:
    mine = {"name": "upgrade", "ledger": ledger_url(path), "timeout": 60, "saved": {}, "why": "", "state": state}
    mine |= {key: hook[key] for key in ("id", "wave", "token")}
    return WaveTask({**mine, **options}, Clock(), lambda _text: None).run()


def test_whole_way(tmp_path: Path) -> None:
    hook = _given(tmp_path)
    assert _task(tmp_path, "saved", hook, saved={"weight": 7})["msg"] == "recorded that wave 1 is saved"
    assert _task(tmp_path, "prepared", hook)["msg"] == "recorded that wave 1 is prepared"
    back = _task(tmp_path, "restoring", hook)
    assert back["msg"] == "wave 1 is to be given back"
    assert (back["hook"]["side"], back["hook"]["saved"]) == ("restore", {"weight": 7})
    assert _task(tmp_path, "restored", back["hook"])["msg"] == "recorded that wave 1 is restored"
    again = _task(tmp_path, "restoring", hook)
    assert (again["msg"], again["hook"]) == ("wave 1 is not ours to give back", None)


def test_hook_that_failed_fails_with_the_reason(tmp_path: Path) -> None:
    hook = _given(tmp_path)
    with pytest.raises(FlotillaError, match="cannot prepare wave 1: the scheduler is away"):
        _task(tmp_path, "failed", hook, why="the scheduler\nis away")


def test_what_becomes_of_a_hook_that_cannot_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = _given(tmp_path)

    def gone(*_given: Any, **_more: Any) -> Ledger:
        raise LedgerGone("cannot open the ledger: connection refused")

    monkeypatch.setattr(wave_task, "Ledger", gone)
    said = "cannot record that wave 1 is prepared: .*refused; gave up after 600 s; the hooks of wave 1 are run again"
    with pytest.raises(FlotillaError, match=said):
        _task(tmp_path, "prepared", hook)
