# SPDX-License-Identifier: GPL-3.0-or-later
"""The command probe, run for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.command import Command


def test_json_of_a_good_command(run: Callable) -> None:
    probe = Command(argv=("printf", "%s", '{"leader": "a b", "n": [1]}'))
    data = probe.read(run(probe))
    assert data == {
        "rc": 0,
        "stdout": '{"leader": "a b", "n": [1]}',
        "stderr": "",
        "json": {"leader": "a b", "n": [1]},
    }
    assert probe.demands(data) == {}


def test_arguments_are_not_seen_by_a_shell(run: Callable, tmp_path: Path) -> None:
    hostile = "'; touch owned; echo $(touch owned) `touch owned` \"\n#"
    probe = Command(argv=("printf", "%s", hostile))
    assert probe.read(run(probe))["stdout"] == hostile
    assert not (tmp_path / "owned").exists()


def test_a_line_for_the_shell(run: Callable) -> None:
    probe = Command(cmd="echo one | sed s/one/two/; exit 3", rc=(0, 3))
    data = probe.read(run(probe))
    assert (data["rc"], data["stdout"].strip()) == (3, "two")
    assert probe.demands(data) == {}


def test_a_line_that_is_no_sh_breaks_only_itself(run: Callable) -> None:
    probe = Command(cmd="if then )")
    assert list(probe.demands(probe.read(run(probe)))) == ["answer"]


def test_a_failure_shows_its_evidence(run: Callable) -> None:
    probe = Command(cmd="echo no quorum >&2; exit 2")
    reason = probe.demands(probe.read(run(probe)))["answer"]
    assert reason == "`echo no quorum >&2; exit 2` exited with 2, expected 0: no quorum"


def test_patience_ends(run: Callable) -> None:
    probe = Command(argv=("sleep", "20"), timeout=1)
    assert probe.demands(probe.read(run(probe)))["answer"] == "`sleep 20` did not end within 1 s"


def test_long_output_is_cut_after_its_json_was_read(run: Callable) -> None:
    probe = Command(cmd="printf '\"'; yes x | head -n 9000 | tr -d '\\n'; printf '\"'")
    data = probe.read(run(probe))
    assert len(data["stdout"]) == 4096
    assert data["json"] == "x" * 9000


def test_exactly_one_of_the_two() -> None:
    assert Command().problems()
    assert Command(argv=("a",), cmd="b").problems()
    assert Command(cmd="b").problems() == []
