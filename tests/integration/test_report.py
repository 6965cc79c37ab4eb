# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and the view of a rollout, by real ansible-playbook; stand-ins for the hosts."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).parent / "rollout"))
from play import Play, Run, copy_collection

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/schemas/rollout-report.schema.json").read_text())


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    copy_collection(folder)
    return folder


def _fleet(collections: Path, folder: Path, hosts: int, **group: Any) -> Play:
    """Return a fleet whose runs have our callback, and whose group has these variables."""
    play = Play(collections, folder, hosts)
    with (folder / "ansible.cfg").open("a") as config:
        config.write("callbacks_enabled = flotilla.container_os.rollout\n")
    inventory = json.loads((folder / "inventory.json").read_text())
    inventory["fleet"]["vars"] |= group
    (folder / "inventory.json").write_text(json.dumps(inventory))
    return play


def _on_a_terminal(play: Play) -> Run:
    """Run the upgrade with a terminal of its own; return what was written on it."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        try:
            while block := os.read(ours, 65536):
                written.append(block)
        except OSError:  # how a terminal says that nobody writes any more
            return

    reader = threading.Thread(target=read)
    process = play.start(output=theirs)
    os.close(theirs)
    reader.start()
    run = play.end(process)
    reader.join()
    os.close(ours)
    return Run(run.rc, b"".join(written).decode(errors="replace"))


def _steps(output: str) -> list[tuple[str, str]]:
    return re.findall(r"(?m)^rollout upgrade, wave \d/\d: (\w+) ([a-z ]+?)(?:: .*)? \(\d", output)


def test_a_good_run_leaves_its_report(collections: Path, tmp_path: Path) -> None:
    reports, metrics = tmp_path / "reports", tmp_path / "metrics/upgrade.prom"
    play = _fleet(collections, tmp_path, 2, report_directory=str(reports), report_prometheus=str(metrics))
    run = play.run()
    assert run.rc == 0, run.output
    assert sorted(one.name for one in reports.iterdir()) == [
        "upgrade-1.html",
        "upgrade-1.json",
        "upgrade-1.junit.xml",
    ]
    document = json.loads((reports / "upgrade-1.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["rollout"]["state"] == "done"
    assert [one["verdict"] for one in document["hosts"]] == ["good", "good"]
    assert 'flotilla_rollout_hosts{rollout="upgrade",phase="confirmed"} 2' in metrics.read_text()
    again = play.end(play.start(playbook="report"))
    assert again.rc == 0, again.output
    assert "rollout upgrade #1: done" in again.output
    assert "every file is up to date" in play.end(play.start("-v", playbook="report")).output


def test_a_bad_run_leaves_its_report_too(collections: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    play = _fleet(collections, tmp_path, 3, report_directory=str(reports))
    play.order(h1=("boot", "panic"))
    run = play.run()
    assert run.rc != 0
    jsonschema.validate(json.loads((reports / "upgrade-1.json").read_text()), SCHEMA)
    suite = ElementTree.parse(reports / "upgrade-1.junit.xml").getroot()
    failure = suite.find(".//testcase[@name='h1']/failure")
    assert failure is not None
    assert "the kernel panicked" in str(failure.text)
    assert len(suite.findall(".//skipped")) == 2
    assert "the kernel panicked" in (reports / "upgrade-1.html").read_text()
    assert _steps(run.output) == [("h1", "guarded"), ("h1", "activating"), ("h1", "rolled back")]


def test_check_mode_leaves_nothing(collections: Path, tmp_path: Path) -> None:
    play = _fleet(collections, tmp_path, 1, report_directory=str(tmp_path / "reports"))
    run = play.run("--check")
    assert run.rc == 0, run.output
    assert not (tmp_path / "reports").exists()


def test_plain_lines_where_there_is_no_terminal(collections: Path, tmp_path: Path) -> None:
    run = _fleet(collections, tmp_path, 2).run()
    assert run.rc == 0, run.output
    assert "rollout upgrade: 2 hosts in 2 waves, 2 to go" in run.output
    turn = ["guarded", "activating", "booted", "healthy", "confirmed"]
    assert _steps(run.output) == [(host, phase) for host in ("h1", "h2") for phase in turn]
    assert "(2/2 confirmed, 0 in flight, 0 failed, " in run.output
    assert "PLAY RECAP" in run.output


def test_live_on_a_terminal(collections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    run = _on_a_terminal(_fleet(collections, tmp_path, 3))
    assert run.rc == 0, run.output
    hidden, shown = run.output.rfind("\x1b[?25l"), run.output.rfind("\x1b[?25h")
    assert 0 <= hidden < shown, "the cursor is given back"
    assert "3/3 confirmed" in run.output
    assert "PLAY RECAP" in run.output
    assert _steps(run.output) == []


def test_without_rich_a_terminal_has_plain_lines(
    collections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "without/rich").mkdir(parents=True)
    (tmp_path / "without/rich/__init__.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    monkeypatch.setenv("TERM", "xterm")
    run = _on_a_terminal(_fleet(collections, tmp_path, 1))
    assert run.rc == 0, run.output
    assert [phase for _host, phase in _steps(run.output.replace("\r", ""))][-1:] == ["confirmed"]


def test_a_broken_view_breaks_no_run(tmp_path: Path) -> None:
    copy_collection(tmp_path / "broken")
    tree = tmp_path / "broken/ansible_collections/flotilla/container_os/plugins/plugin_utils/_progress"
    with (tree / "events.py").open("a") as file:
        file.write("\n\ndef ended(*_):\n    raise RuntimeError('one\\nbug')\n")
    run = _fleet(tmp_path / "broken", tmp_path, 2).run()
    assert run.rc == 0, run.output
    assert " ".join(run.output.split()).count("the view of the rollout is off: RuntimeError: one bug") == 1
    assert "Traceback" not in run.output
