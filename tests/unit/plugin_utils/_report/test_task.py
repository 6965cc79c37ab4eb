# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_rollout import NEW, OLD, POLICY

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.task import write_report
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import DONE, Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import Plan, PlannedHost
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    plan = Plan((PlannedHost("h1", 1, "wave 1", NEW, OLD),), {}, Policy.parse(POLICY)).document()
    with Ledger(url).write() as writer:
        writer.set_state(writer.open_rollout("upgrade", plan), DONE, "done")
    formats = ["json", "junit", "html"]
    directory, metrics = str(tmp_path / "reports"), str(tmp_path / "metrics/upgrade.prom")
    return {
        "name": "upgrade",
        "id": None,
        "ledger": url,
        "directory": directory,
        "formats": formats,
        "prometheus": metrics,
    }


def test_writes_once(options: dict[str, Any], tmp_path: Path) -> None:
    first = write_report(options, check=False, diff=False)
    assert first["changed"]
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "upgrade-1.html",
        "upgrade-1.json",
        "upgrade-1.junit.xml",
    ]
    assert json.loads(Path(first["files"]["json"]).read_text())["rollout"]["state"] == "done"
    assert "flotilla_rollout_info" in Path(first["files"]["prometheus"]).read_text()
    second = write_report(options, check=False, diff=False)
    assert (second["changed"], second["msg"]) == (False, "every file is up to date")
    assert second["files"] == first["files"]


def test_check_mode_writes_nothing(options: dict[str, Any], tmp_path: Path) -> None:
    told = write_report(options, check=True, diff=True)
    assert told["changed"]
    assert told["msg"].startswith("would write ")
    assert "upgrade-1.html" in told["diff"]["after"]
    assert not (tmp_path / "reports").exists()
    assert not (tmp_path / "metrics").exists()


def test_only_what_differs_is_written(options: dict[str, Any]) -> None:
    files = write_report(options, check=False, diff=False)["files"]
    Path(files["html"]).write_text("edited")
    again = write_report(options, check=False, diff=False)
    assert again["msg"] == f"wrote {files['html']}"


def test_no_rollout_no_file(options: dict[str, Any], tmp_path: Path) -> None:
    told = write_report({**options, "name": "other"}, check=False, diff=False)
    assert told == {"changed": False, "msg": "no rollout other so far", "files": {}}
    assert not (tmp_path / "reports").exists()


def test_nowhere_to_write_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="set directory, or prometheus, or both"):
        write_report({**options, "directory": None, "prometheus": None}, check=False, diff=False)
