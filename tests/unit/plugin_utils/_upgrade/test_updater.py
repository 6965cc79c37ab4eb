# SPDX-License-Identifier: GPL-3.0-or-later
"""The OS's own agent is held, and handed back exactly as it was; by a real shell on a systemctl that keeps state."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    HostState,
    NativeUpdater,
    Os,
    UpdaterState,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.systemd_units import NO_SYSTEMD
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade import updater
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import Observed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.updater import set_updater

TIMER, SERVICE = "lab-autoupdate.timer", "lab-autoupdate.service"
HELD, ACTIVE, DISABLED = UpdaterState.HELD, UpdaterState.ACTIVE, UpdaterState.DISABLED
# A stand-in for systemctl(1): unit files and what is active, in a JSON file.
SYSTEMCTL = """#!{python}
import json, sys
path = {state!r}
units = json.load(open(path))
verb, *rest = [word for word in sys.argv[1:] if word not in ("--", "--quiet")]
now = "--now" in rest
names = [word for word in rest if not word.startswith("-")]
with open({calls!r}, "a") as calls:
    if verb != "show":
        calls.write(" ".join(sys.argv[1:]) + "\\n")
if verb == "show":
    blocks = []
    for name in names:
        unit = units.get(name)
        load = "not-found" if unit is None else "masked" if unit["file"] == "masked" else "loaded"
        unit = unit or dict(file="", active="inactive", kind="", path="")
        kind = unit["kind"]
        words = dict(Id=name, Names=name, Type=kind, LoadState=load, ActiveState=unit["active"])
        words |= dict(SubState=unit["active"], UnitFileState=unit["file"], FragmentPath=unit["path"])
        words |= dict(WantedBy="", RequiredBy="", UpheldBy="")
        words["TriggeredBy"] = ""
        blocks.append("\\n".join(f"{{key}}={{value}}" for key, value in words.items()))
    print("\\n\\n".join(blocks))
    sys.exit(0)
for name in names:
    unit = units[name]
    if verb == "mask":
        if unit["path"].startswith("/etc/systemd/system/") or unit.get("stubborn"):
            sys.exit("Failed to mask unit: File already exists.")
        unit["was"], unit["file"] = unit["file"], "masked"
        if name.endswith(".timer") and unit["active"] == "active":
            unit["active"] = "failed"  # what it triggers has vanished
    elif verb == "unmask" and unit["file"] == "masked":
        unit["file"] = "static" if unit["was"] == "static" else "disabled"
    elif verb == "enable":
        unit["file"] = "enabled"
    elif verb == "disable" and unit["file"] == "enabled" and not unit.get("stubborn"):
        unit["file"] = "disabled"
    elif verb == "start":
        unit["active"] = "active"
    if (now or verb == "stop") and unit["active"] != "failed":
        unit["active"] = "inactive"
json.dump(units, open(path, "w"))
"""


class Systemd:
    """A host whose units are real to the shell. What the driver knows is taken from the host of the other tests."""

    name = "h1"

    def __init__(self, folder: Path, host: Any) -> None:
        self.host, self.folder = host, folder
        self.record = folder / "state"
        self._state = folder / "units.json"
        self._calls = folder / "calls"
        tools = folder / "bin"
        tools.mkdir()
        text = SYSTEMCTL.format(python=sys.executable, state=str(self._state), calls=str(self._calls))
        (tools / "systemctl").write_text(text)
        (tools / "chown").write_text("#!/bin/sh\n")
        for tool in tools.iterdir():
            tool.chmod(0o755)
        self.units: dict[str, dict[str, Any]] = {
            TIMER: {"file": "enabled", "active": "active", "kind": "", "path": f"/usr/lib/systemd/system/{TIMER}"},
            SERVICE: {
                "file": "static",
                "active": "inactive",
                "kind": "oneshot",
                "path": f"/usr/lib/systemd/system/{SERVICE}",
            },
        }

    @property
    def units(self) -> dict[str, dict[str, Any]]:
        return dict(json.loads(self._state.read_text()))

    @units.setter
    def units(self, units: dict[str, dict[str, Any]]) -> None:
        self._state.write_text(json.dumps(units))

    def shown(self) -> dict[str, tuple[str, str]]:
        return {name: (unit["file"], unit["active"]) for name, unit in self.units.items()}

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        results = {}
        for step in steps:
            ours = step.name.startswith(("updater.asked", "hold.", "release.", "disable."))
            results[step.name] = self._shell(step) if ours else self.host.run([step])[step.name]
            if step.required and not results[step.name].ok:
                break
        return {step.name: results.get(step.name, Result(step.name, step.script, None)) for step in steps}

    def _shell(self, step: Step) -> Result:
        script = f"PATH={self.folder}/bin:$PATH\n{step.script}".replace("[ -d /run/systemd/system ] && ", "")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        return Result(step.name, step.script, done.returncode, done.stdout, done.stderr)


@pytest.fixture
def host(tmp_path: Path, steady: Any, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    made = Systemd(tmp_path, steady)
    monkeypatch.setattr(updater, "UPDATER_RECORD", str(made.record))
    return made


def test_held_and_handed_back_exactly_as_it_was(host: Systemd) -> None:
    before = host.shown()
    held = set_updater(host, HELD, None, check=False).result(diff=True)  # type: ignore[arg-type]
    assert held["changed"]
    assert held["native_updater"] == {"name": "lab-autoupdate", "state": "held"}
    assert host.shown() == {TIMER: ("masked", "inactive"), SERVICE: ("masked", "inactive")}
    assert not set_updater(host, HELD, None, check=False).changed  # type: ignore[arg-type]
    released = set_updater(host, ACTIVE, None, check=False).result(diff=True)  # type: ignore[arg-type]
    assert released["native_updater"]["state"] == "active"
    assert host.shown() == before
    assert not host.record.exists()


def test_what_was_disabled_is_handed_back_disabled(host: Systemd) -> None:
    host.units = {**host.units, TIMER: {**host.units[TIMER], "file": "disabled", "active": "inactive"}}
    before = host.shown()
    assert set_updater(host, HELD, None, check=False).changed  # type: ignore[arg-type]
    result = set_updater(host, ACTIVE, None, check=False).result(diff=False)  # type: ignore[arg-type]
    assert result["native_updater"]["state"] == "disabled"
    assert host.shown() == before


def test_the_timer_is_stopped_before_what_it_starts(host: Systemd) -> None:
    set_updater(host, HELD, None, check=False)  # type: ignore[arg-type]
    assert [call.split()[-1] for call in host.calls] == [TIMER, TIMER, SERVICE, SERVICE]


def test_recorded_before_it_is_done(host: Systemd) -> None:
    """Cut off in the middle: the second run finishes, and the first record of what it was is kept."""
    host.record.write_text(f"{TIMER}=enabled active\n{SERVICE}=static inactive\n")
    host.units = {**host.units, TIMER: {**host.units[TIMER], "file": "masked", "was": "enabled", "active": "inactive"}}
    assert set_updater(host, HELD, None, check=False).changed  # type: ignore[arg-type]
    assert f"{TIMER}=enabled active" in host.record.read_text()


def test_unit_of_the_administrator_is_disabled_where_it_cannot_be_masked(host: Systemd) -> None:
    host.units = {**host.units, TIMER: {**host.units[TIMER], "path": f"/etc/systemd/system/{TIMER}"}}
    result = set_updater(host, HELD, None, check=False).result(diff=False)  # type: ignore[arg-type]
    assert result["native_updater"]["state"] == "held"
    assert host.shown()[TIMER] == ("disabled", "inactive")
    set_updater(host, ACTIVE, None, check=False)  # type: ignore[arg-type]
    assert host.shown()[TIMER] == ("enabled", "active")


def test_agent_that_could_still_act_is_an_error(host: Systemd) -> None:
    host.units = {**host.units, TIMER: {**host.units[TIMER], "stubborn": True}}
    with pytest.raises(FlotillaError, match=r"cannot bring lab-autoupdate on h1 to held: it is active: .*enabled"):
        set_updater(host, HELD, None, check=False)  # type: ignore[arg-type]


def test_update_that_runs_is_not_cut_off(host: Systemd) -> None:
    host.units = {**host.units, SERVICE: {**host.units[SERVICE], "active": "activating"}}
    with pytest.raises(Refused, match=f"{SERVICE} is updating the host at this moment"):
        set_updater(host, HELD, None, check=False)  # type: ignore[arg-type]
    assert host.calls == []


def test_check_mode_predicts(host: Systemd) -> None:
    result = set_updater(host, HELD, None, check=True).result(diff=True)  # type: ignore[arg-type]
    assert result["changed"]
    assert "native_updater.state: held" in result["diff"]["after"]
    assert host.calls == []
    assert not host.record.exists()


def test_disabled_for_good(host: Systemd) -> None:
    assert set_updater(host, DISABLED, None, check=False).changed  # type: ignore[arg-type]
    assert host.shown()[TIMER] == ("disabled", "inactive")
    assert not set_updater(host, ACTIVE, None, check=False).changed  # type: ignore[arg-type]


def test_units_that_do_not_exist(host: Systemd) -> None:
    with pytest.raises(Refused, match=r"cannot find the native updater on h1: none of x\.timer exists"):
        set_updater(host, HELD, ["x.timer"], check=False)  # type: ignore[arg-type]
    host.units = {}
    result = set_updater(host, HELD, None, check=False).result(diff=False)  # type: ignore[arg-type]
    assert not result["changed"]
    assert "no native updater that is known" in result["msg"]


@pytest.mark.parametrize(("rc", "error"), [(1, ToolFailed), (NO_SYSTEMD, None)])
def test_systemd_that_gives_no_answer_is_not_taken_for_none(
    host: Systemd, monkeypatch: pytest.MonkeyPatch, rc: int, error: type[Exception] | None
) -> None:
    monkeypatch.setattr(host, "_shell", lambda step: Result(step.name, step.script, rc, "", "Failed to connect to bus"))
    if error is None:
        assert not set_updater(host, HELD, None, check=False).changed  # type: ignore[arg-type]
    else:
        with pytest.raises(error, match="Failed to connect to bus"):
            set_updater(host, HELD, None, check=False)  # type: ignore[arg-type]


def test_units_beside_the_os_are_not_the_hosts(talos: Any) -> None:
    with pytest.raises(Refused, match="cannot set sshd.service on h1: our steps run beside its OS"):
        set_updater(talos, HELD, ["sshd.service"], check=False)
    result = set_updater(talos, HELD, None, check=False).result(diff=False)
    assert not result["changed"]
    assert result["msg"] == "h1 has no native updater that is known: Talos never updates itself"


# -- an agent that is held by a setting


class Setting:
    """A driver whose agent is held by a setting, and its host: what a step leaves is in `hold` and `record`."""

    def __init__(self, hold: bool, record: UpdaterState | None, obeys: bool = True, busy: str | None = None) -> None:
        self.hold, self.record, self.obeys, self.busy = hold, record, obeys, busy

    def updater(self, results: Any) -> NativeUpdater:
        held = HELD if self.record else DISABLED
        return NativeUpdater("agent", held if self.hold else ACTIVE)

    def handed_back(self, results: Any) -> UpdaterState | None:
        return self.record

    def set_updater(self, results: Any, wanted: UpdaterState) -> Step:
        return Step(f"set {wanted.value}", ":", required=True)

    def observe(self, host: Any, steps: Sequence[Step] = ()) -> Observed:
        for step in steps:
            wanted = step.name.removeprefix("set ")
            if not self.obeys or wanted == step.name:
                continue
            was = ACTIVE if not self.hold else DISABLED
            self.hold, self.record = (
                (True, self.record or was)
                if wanted == "held"
                else (wanted == "disabled" or self.record is DISABLED, None)
            )
        asked = {"updater.asked": Result("updater.asked", "", NO_SYSTEMD)}
        state = HostState("agent", Os(), "boot-0", busy=self.busy)
        return Observed(state, self, asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "wanted", "changed", "then"),
    [
        (Setting(False, None), HELD, True, HELD),
        (Setting(True, ACTIVE), HELD, False, HELD),
        (Setting(True, ACTIVE), ACTIVE, True, ACTIVE),
        (Setting(True, DISABLED), ACTIVE, True, DISABLED),
        (Setting(False, None), ACTIVE, False, ACTIVE),
        (Setting(True, None), ACTIVE, False, DISABLED),
        (Setting(False, None), DISABLED, True, DISABLED),
        (Setting(True, ACTIVE), DISABLED, True, DISABLED),
    ],
)
def test_a_setting_is_held_and_handed_back(
    setting: Setting, wanted: UpdaterState, changed: bool, then: UpdaterState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updater, "observe", setting.observe)
    before = (setting.hold, setting.record)
    checked = set_updater(Named(), wanted, None, check=True)  # type: ignore[arg-type]
    assert (setting.hold, setting.record) == before
    done = set_updater(Named(), wanted, None, check=False)  # type: ignore[arg-type]
    for outcome in (checked, done):
        assert (outcome.changed, outcome.returns["native_updater"]) == (changed, NativeUpdater("agent", then))
    again = set_updater(Named(), wanted, None, check=False)  # type: ignore[arg-type]
    assert not again.changed


class Named:
    name = "h1"


def test_a_setting_that_is_not_kept_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updater, "observe", Setting(False, None, obeys=False).observe)
    with pytest.raises(FlotillaError, match="cannot bring agent on h1 to held: it is active afterwards"):
        set_updater(Named(), HELD, None, check=False)  # type: ignore[arg-type]
    monkeypatch.setattr(updater, "observe", Setting(False, None, busy="refreshing").observe)
    with pytest.raises(Refused, match="cannot hold agent on h1: the host is busy: refreshing"):
        set_updater(Named(), HELD, None, check=False)  # type: ignore[arg-type]
