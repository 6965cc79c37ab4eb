# SPDX-License-Identifier: GPL-3.0-or-later
"""What talosctl prints of one host: every sample, and thousands that are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Mac, MacMode, MacSystem
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.talos import (
    Installer,
    Machine,
    Record,
    parse_boot_id,
    parse_installer,
    parse_machine,
    parse_record,
    parse_schematic,
    parse_security,
    parse_version,
)

SAMPLES = Path(__file__).parents[2] / "fixtures/talos"
SCHEMATIC = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
BOOT = "d5be20ac-116f-45ca-9bab-62e849eeb97f"
MUTATIONS = 10_000


def _read(name: str) -> str:
    return (SAMPLES / name).read_text()


def _one(text: str = "") -> str:
    return (text or _read("version-json-two-nodes.jsonl")).splitlines()[0] + "\n"


def _extension(name: str, version: str) -> str:
    return json.dumps({"node": "10.5.0.2", "spec": {"metadata": {"name": name, "version": version}}}, indent=2)


def _record(value: str) -> str:
    return json.dumps({"node": "10.5.0.2", "spec": {"value": value}}, indent=4)


def test_version() -> None:
    assert parse_version(_one()) == "v1.13.2"
    with pytest.raises(CannotParse, match="2 hosts answer; set one node"):
        parse_version(_read("version-json-two-nodes.jsonl"))
    with pytest.raises(CannotParse, match="not JSON"):
        parse_version(_read("version-text.txt"))


def test_machine() -> None:
    assert parse_machine(_read("get-machinestatus-running.json")) == Machine("running", True, ())
    assert parse_machine(_read("get-machinestatus-upgrading.json")) == Machine(
        "upgrading", False, ("services: kubelet not running",)
    )


def test_security() -> None:
    text = _read("get-securitystate.json")
    assert parse_security(text) == Mac(MacSystem.SELINUX, MacMode.PERMISSIVE)
    assert parse_security(text.replace("permissive", "enforcing")) == Mac(MacSystem.SELINUX, MacMode.ENFORCING)
    assert parse_security(text.replace("enabled, permissive", "disabled")) == Mac(MacSystem.NONE, MacMode.DISABLED)


def test_schematic() -> None:
    assert parse_schematic("") is None
    assert parse_schematic(_extension("iscsi-tools", "v0.1.6")) is None
    both = f"{_extension('iscsi-tools', 'v0.1.6')}\n{_extension('schematic', SCHEMATIC)}\n"
    assert parse_schematic(both) == SCHEMATIC
    with pytest.raises(CannotParse, match="two schematics"):
        parse_schematic(both + _extension("schematic", SCHEMATIC))


def test_record() -> None:
    names = f"v1.13.2 v1.14.0-{SCHEMATIC} {BOOT}"
    assert parse_record("") is None
    assert parse_record(_record(f"flotilla installed {names}")) == Record(True, "v1.13.2", f"v1.14.0-{SCHEMATIC}", BOOT)
    for state in ("installing", "back"):
        found = parse_record(_record(f"flotilla {state} {names}"))
        assert found is not None
        assert not found.done
    for value in ("", "rack=4", f"flotilla {names}", f"flotilla moved {names}", f"other installed {names}"):
        with pytest.raises(CannotParse, match="META key 0x0e holds something that is not ours"):
            parse_record(_record(value))


def test_boot_id_is_one() -> None:
    assert parse_boot_id(f"{BOOT}\n") == BOOT
    for text in ("", "x", f"{BOOT} $(reboot)"):
        with pytest.raises(CannotParse, match="cannot parse the host's boot id"):
            parse_boot_id(text)


def test_installer() -> None:
    factory = f"factory.talos.dev/metal-installer/{SCHEMATIC}"
    assert parse_installer(f"{factory}:v1.14.0") == Installer(factory, "v1.14.0", f"v1.14.0-{SCHEMATIC}")
    plain = "registry.example.org:5000/siderolabs/installer"
    assert parse_installer(f"{plain}:v1.14.0-rc.0") == Installer(plain, "v1.14.0-rc.0", "v1.14.0-rc.0")
    for reference in (f"{plain}:latest", plain, "installer", f"{plain}@sha256:{'a' * 64}", f"{plain}:v1.14.0; reboot"):
        with pytest.raises(CannotParse, match="cannot parse the installer image"):
            parse_installer(reference)


def _version(document: Any) -> object:
    return document["version"]["tag"]


def _machine(document: Any) -> object:
    status = document["spec"]["status"]
    waits = tuple(f"{one['name']}: {one['reason']}" for one in status.get("unmetConditions") or [])
    return Machine(document["spec"]["stage"], status["ready"], waits)


def _security(document: Any) -> object:
    modes = {"disabled": MacMode.DISABLED, "enabled, permissive": MacMode.PERMISSIVE}
    return {**modes, "enabled, enforcing": MacMode.ENFORCING}[document["spec"]["selinuxState"]]


def _recorded(document: Any) -> object:
    _flotilla, state, *names = document["spec"]["value"].split(" ")
    return Record(state == "installed", *names)


@pytest.mark.parametrize(
    ("text", "parse", "shown", "what"),
    [
        (_one(), parse_version, _version, "the output of `talosctl version`"),
        (_read("get-machinestatus-running.json"), parse_machine, _machine, "the machine's status"),
        (_read("get-machinestatus-upgrading.json"), parse_machine, _machine, "the machine's status"),
        (
            _read("get-securitystate.json"),
            lambda text: parse_security(text).mode,
            _security,
            "the security state",
        ),
        (
            _record(f"flotilla installed v1.13.2 v1.14.0 {BOOT}"),
            lambda text: parse_record(text) if text.strip() else pytest.raises,
            _recorded,
            "the record of what was staged on the host",
        ),
        (
            _extension("schematic", SCHEMATIC),
            lambda text: parse_schematic(text) or pytest.raises,
            lambda document: document["spec"]["metadata"]["version"],
            "the list of extensions",
        ),
    ],
    ids=["version", "running", "upgrading", "security", "record", "schematic"],
)
def test_damaged_answer_is_read_as_it_stands_or_refused(
    text: str, parse: Callable[[str], object], shown: Callable[[Any], object], what: str
) -> None:
    read = 0
    for damaged in mutations(text, seed=len(text), count=MUTATIONS):
        try:
            found = parse(damaged)
        except CannotParse as exc:
            assert exc.message.startswith(f"cannot parse {what}: "), exc.message
            continue
        if found is pytest.raises:  # nothing is there: no answer, or an extension of another name
            assert not damaged.strip() or '"name": "schematic"' not in damaged
            continue
        read += 1
        assert found == shown(json.loads(damaged)), damaged
    assert read


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda spec: spec.update(stage="resting"), "unknown stage"),
        (lambda spec: spec.pop("stage"), "spec.stage is missing"),
        (lambda spec: spec["status"].update(ready="yes"), "spec.status.ready is no true or false"),
        (lambda spec: spec["status"].update(ready=True), "it is ready, and has conditions that are not met"),
        (lambda spec: spec["status"].update(unmetConditions=["x"]), "it is no object"),
    ],
)
def test_state_that_is_refused(change: Callable[[Any], Any], cause: str) -> None:
    document = json.loads(_read("get-machinestatus-upgrading.json"))
    change(document["spec"])
    with pytest.raises(CannotParse, match=cause):
        parse_machine(json.dumps(document))
