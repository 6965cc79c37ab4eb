# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage exactly what is meant; what was staged before a failure still is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.stage import StageWish, stage, unstage

OLD, NEW = "a" * 64, "b" * 64
STAGED = [(" ", NEW, 0, "staged"), ("*", OLD, 0, "")]


def _job(host: Any, rc: int, log: str, lines: list[Any]) -> None:
    key: list[str] = []

    def wait(_host: Any) -> Result:
        host.lines = lines
        return Result("wait", "", 0, f"state=done\nrc={rc}\nkey={key[0] if key else ''}\nwhat=x\nlog:\n{log}")

    host.acts["start"] = lambda _host: None
    host.acts["wait"] = wait


def test_stages_a_digest(steady: Any, clock: Any) -> None:
    _job(steady, 0, "", STAGED)
    result = stage(steady, clock, StageWish(digest=NEW), check=False).result(diff=True)
    assert result["changed"]
    assert result["staged"]["digest"] == NEW
    assert steady.round_trips == 3


def test_nothing_to_do(staged: Any, steady: Any, clock: Any) -> None:
    assert not stage(staged, clock, StageWish(digest=NEW), check=False).changed
    assert not stage(steady, clock, StageWish(digest=OLD), check=False).changed
    assert staged.ran == steady.ran == []


def test_exit_code_0_with_nothing_staged_is_a_failure(steady: Any, clock: Any) -> None:
    _job(steady, 0, "No update available.", steady.lines)
    with pytest.raises(FlotillaError, match="cannot stage"):
        stage(steady, clock, StageWish(digest=NEW), check=False)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("error: Commit x: GPG verification enabled, but no signatures found (use ...)", "it is not signed"),
        ("error: ... Can't check signature: public key not found", "a key that the remote does not trust"),
        ("error: Corrupted commit object; checksum expected='a' actual='b'", "it was tampered with"),
        ("error: While fetching http://repo/x: [7] refused", "does not answer as it should"),
        ("error: something new", "something new"),
    ],
)
def test_refusal_names_commit_remote_and_keys(steady: Any, clock: Any, log: str, words: str) -> None:
    _job(steady, 1, f"{log}\ntrusted keys:\nABCDEF\n", steady.lines)
    with pytest.raises(FlotillaError, match=words) as failed:
        stage(steady, clock, StageWish(digest=NEW), check=False)
    if words != "something new":
        assert f"commit {NEW} of lab:stable (http://repo/)" in failed.value.message
        assert "keys trusted for remote lab: ABCDEF" in failed.value.message


def test_check_mode_only_looks(steady: Any, clock: Any) -> None:
    assert stage(steady, clock, StageWish(digest=NEW), check=True).changed
    assert steady.ran == []


def test_not_under_an_armed_guard(trial: Any, clock: Any) -> None:
    with pytest.raises(Refused, match="the guard is armed"):
        stage(trial, clock, StageWish(digest="c" * 64), check=False)


def test_what_is_no_commit_is_refused(steady: Any, clock: Any) -> None:
    with pytest.raises(Refused, match="64 hexadecimal digits"):
        stage(steady, clock, StageWish(digest="$(reboot)"), check=False)


def test_unstage(staged: Any, steady: Any) -> None:
    staged.acts["unstage"] = lambda host: setattr(host, "lines", [("*", OLD, 0, "")])
    assert unstage(staged, check=False).changed
    assert not unstage(steady, check=False).changed
    staged.lines = list(STAGED)
    staged.acts["unstage"] = lambda _host: None
    with pytest.raises(FlotillaError, match="still staged"):
        unstage(staged, check=False)


def test_nothing_of_a_host_without_a_shell_is_left_on_the_controller(talos: Any, clock: Any) -> None:
    talos.record = ""
    sent: list[str] = []

    def work(host: Any) -> Result:
        host.record = f"installed v1.13.2 v1.14.0 {host.boot_id}"
        return Result("work", "sh", 0, "done")

    def run(steps: Any, limit: float | None = None) -> Any:
        sent.extend(step.script for step in steps if step.name == "work")
        assert limit is not None
        return type(talos).run(talos, steps, limit)

    talos.acts["work"] = work
    host = talos
    object.__setattr__(host, "run", run)
    assert stage(host, clock, StageWish(), check=False).changed
    assert len(sent) == 1
    assert "/run/flotilla" not in sent[0]
    assert "/var/lib/flotilla" not in sent[0]
