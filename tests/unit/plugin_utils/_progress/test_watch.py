# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress import live
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.events import PREFIX
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.watch import Watch

PLAN = {"plan": {"waves": [[{"host": "h1"}]], "max_unavailable": 1}, "order": ["h1"]}


class Still:
    def monotonic(self) -> float:
        return 7.0

    def time(self) -> float:
        return 7.0

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError("nobody sleeps here")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _run(watch: Watch) -> None:
    watch.begun(f"{PREFIX}deployment_boot", "h1")  # before any plan: none of a rollout
    watch.ended(f"{PREFIX}rollout", {"state": "planned"}, "h1", PLAN)
    watch.ended(f"{PREFIX}rollout_gate", {"state": "entered"}, "h1", {"admitted": True, "msg": "go"})
    watch.begun(f"{PREFIX}deployment_boot", "h1")
    watch.ended(f"{PREFIX}rollout_gate", {"state": "left"}, "h1", {"phase": "confirmed", "msg": "good"})


@pytest.mark.parametrize(("view", "rich"), [("plain", True), ("auto", False)])
def test_plain(monkeypatch: pytest.MonkeyPatch, view: str, rich: bool) -> None:
    monkeypatch.setattr(live, "HAS_RICH", rich)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    lines: list[str] = []
    _run(Watch(view, Still(), lines.append))
    assert lines[0] == "rollout upgrade: 1 hosts in 1 waves, 1 to go"
    assert [line.split(" (")[0].rpartition(" ")[2] for line in lines[1:]] == ["guarded", "activating", "confirmed"]


class Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    terminal = Screen((tmp_path / "screen").open("ab"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    lines: list[str] = []
    watch = Watch("auto", Still(), lines.append)
    _run(watch)
    watch.close()
    watch.close()
    assert lines == []
    assert sys.stdout is terminal
    assert "1/1 confirmed" in (tmp_path / "screen").read_text()
