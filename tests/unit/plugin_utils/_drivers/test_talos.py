# SPDX-License-Identifier: GPL-3.0-or-later
"""The talos driver: whose host it is, what is seen of it from the controller, and what it does not promise."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.talos import NOT_HERE, Talos
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    Mac,
    MacMode,
    MacSystem,
    Os,
    Position,
    Verification,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import probes, read_state

SAMPLES = Path(__file__).parents[2] / "fixtures/talos"
DRIVER = Talos()
SCHEMATIC = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
SOURCE = f"factory.talos.dev/metal-installer/{SCHEMATIC}"
OLD, NEW = f"v1.13.2-{SCHEMATIC}", f"v1.14.0-{SCHEMATIC}"
BOOT, OTHER_BOOT = "d5be20ac-116f-45ca-9bab-62e849eeb97f", "efafa6f6-be91-4d74-a8d0-e7992b034ce1"
BOOTED = Deployment(OLD, "v1.13.2", OLD, None, Position.BOOTED)


def _read(name: str) -> str:
    return (SAMPLES / name).read_text()


def _result(name: str, text: str, rc: int = 0, stderr: str = "") -> Result:
    return Result(f"talos.{name}", "sh", rc, text, stderr)


def _results(record: str = "", machine: str = "running", image: str = f"{SOURCE}:v1.14.0") -> dict[str, Result]:
    extension = {"spec": {"metadata": {"name": "schematic", "version": SCHEMATIC}}}
    kept = json.dumps({"spec": {"value": f"flotilla {record}"}}) if record else ""
    shown = [
        _result("boot_id", f"{BOOT}\n"),
        _result("version", _read("version-json-two-nodes.jsonl").splitlines()[0]),
        _result("extensions", json.dumps(extension)),
        _result("machine", _read(f"get-machinestatus-{machine}.json")),
        _result("security", _read("get-securitystate.json")),
        _result("cmdline", "talos.platform=metal console=tty0\n"),
        _result("os", 'ID=talos\nVERSION_ID=v1.13.2\nPRETTY_NAME="Talos (v1.13.2)"\n'),
        _result("image", f"{image}\n"),
        _result("record", kept),
    ]
    return {one.name: one for one in shown}


def _state(**changes: object) -> HostState:
    channel = Channel("v1.14.0", SOURCE, Verification.NONE)
    return replace(HostState("talos", Os(), BOOT, booted=BOOTED, channel=channel), **changes)  # type: ignore[arg-type]


# -- whose host it is


def test_only_by_its_own_connection() -> None:
    assert DRIVER.present(_results())
    assert not DRIVER.present({**_results(), "talos.boot_id": _result("boot_id", "", NOT_HERE)})
    # A host whose API fails is not the controller.
    assert DRIVER.present({**_results(), "talos.boot_id": _result("boot_id", "", 1)})


def test_the_controller_is_never_taken_for_the_host() -> None:
    """Whatever the controller runs itself: its answers to the other drivers' probes count for nothing."""
    ours = {**{step.name: Result(step.name, "sh", 0, "ostree") for step in probes()}, **_results()}
    state = read_state(ours).state
    assert (state.driver, state.boot_id, state.os.id) == ("talos", BOOT, "talos")
    assert state.kernel_arguments == ("talos.platform=metal", "console=tty0")
    assert (state.busy, state.guard, state.last_fallback) == (None, None, None)
    assert state.native_updater.state.value == "absent"
    assert state.mac == Mac(MacSystem.SELINUX, MacMode.PERMISSIVE)
    assert DRIVERS[0].name == "talos"


def test_probes_without_the_connection_end_at_once() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOTILLA_")}
    for step in DRIVER.probes():
        argv = ["sh", "-c", step.script]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == NOT_HERE, f"{step.name}: {done.stderr}"


def test_what_it_can_do() -> None:
    assert capabilities(DRIVER) == ("rollback", "stage", "switch_channel")
    with pytest.raises(Refused, match="cannot arm a guard: Talos has no place for a guard"):
        DRIVER.guard_functions()


# -- what is seen


@pytest.mark.parametrize(
    ("record", "staged", "rollback"),
    [
        ("", None, None),
        (f"installed {OLD} {NEW} {BOOT}", NEW, None),
        # Not known to be installed; of a boot before; gone back; of another time.
        (f"installing {OLD} {NEW} {BOOT}", None, None),
        (f"installed {OLD} {NEW} {OTHER_BOOT}", None, None),
        (f"back {OLD} {NEW} {OTHER_BOOT}", None, None),
        (f"installed v1.12.0 v1.13.0 {OTHER_BOOT}", None, None),
        # It runs what was installed.
        (f"installed v1.12.9 {OLD} {OTHER_BOOT}", None, "v1.12.9"),
    ],
)
def test_record(record: str, staged: str | None, rollback: str | None) -> None:
    view = DRIVER.observe(_results(record))
    assert view.booted == BOOTED
    assert (view.staged and view.staged.digest) == staged
    assert (view.rollback and view.rollback.digest) == rollback
    assert view.deployments[0].digest == (staged or OLD)


def test_machine_that_is_not_ready_is_unsettled() -> None:
    view = DRIVER.observe(_results(machine="upgrading"))
    assert view.busy == "the machine is upgrading"
    assert view.unsettled is not None
    assert "not ready (services: kubelet not running), so that Talos may still go back" in view.unsettled
    ready = DRIVER.observe(_results())
    assert (ready.busy, ready.unsettled) == (None, None)


@pytest.mark.parametrize(
    ("image", "channel"),
    [
        (f"{SOURCE}:v1.14.0", Channel("v1.14.0", SOURCE, Verification.NONE)),
        ("ghcr.io/x/installer:latest", Channel(None, "ghcr.io/x/installer:latest", Verification.NONE)),
        ("", None),
    ],
)
def test_channel(image: str, channel: Channel | None) -> None:
    assert DRIVER.observe(_results(image=image)).channel == channel


@pytest.mark.parametrize("name", ["version", "extensions", "machine", "image", "record"])
def test_what_cannot_be_asked_is_an_error(name: str) -> None:
    said = "rpc error: code = PermissionDenied desc = not authorized"
    with pytest.raises(FlotillaError, match="PermissionDenied"):
        DRIVER.observe({**_results(), f"talos.{name}": _result(name, "", 1, said)})


# -- what is offered, staged and followed


def test_offer_is_what_is_followed() -> None:
    found = DRIVER.offer(_result("offer", f"{SOURCE}:v1.14.0\n"), _state())
    assert (found.digest, found.version) == (NEW, "v1.14.0")
    with pytest.raises(FlotillaError, match="has no install.image"):
        DRIVER.offer(_result("offer", "\n"), _state())
    with pytest.raises(CannotParse, match="cannot parse the installer image"):
        DRIVER.offer(_result("offer", "ghcr.io/siderolabs/installer:latest\n"), _state())


@pytest.mark.parametrize(
    ("digest", "state", "cause"),
    [
        ("v1.14.1", _state(), "follow the other one with update_channel first"),
        (NEW, _state(channel=None), "has no install.image"),
        (NEW, _state(booted=replace(BOOTED, id="v1.12.9", digest="v1.12.9", version="v1.12.9")), "Talos before 1.13"),
        (NEW, _state(booted=replace(BOOTED, digest="v1.15.0", version="v1.15.0")), "it is older than v1.15.0"),
        (NEW, _state(booted=None), "what runs is not known"),
    ],
)
def test_what_is_not_staged(digest: str, state: HostState, cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        DRIVER.stage(state, digest, False)


def test_stage_installs_and_does_not_reboot() -> None:
    script = DRIVER.stage(_state(), NEW, False)
    assert script.splitlines()[-1] == f"stage {SOURCE}:v1.14.0 {OLD} {NEW} {BOOT}"
    assert 'upgrade --image "$1" --no-reboot' in script
    older = _state(booted=replace(BOOTED, digest="v1.15.0", version="v1.15.0"))
    assert DRIVER.stage(older, NEW, True)


def test_nothing_is_unstaged() -> None:
    with pytest.raises(Refused, match="its only way back, a rollback, reboots"):
        DRIVER.unstage(_state())


def test_only_what_ran_before_is_a_way_back() -> None:
    before = Deployment("v1.12.9", "v1.12.9", "v1.12.9", None, Position.ROLLBACK)
    script = DRIVER.roll_back(_state(rollback=before), before).script
    assert script.splitlines()[-1] == f"go_back v1.12.9 {OLD} {BOOT}"
    with pytest.raises(Refused, match="Talos goes back one step"):
        DRIVER.roll_back(_state(), before)


def test_channel_is_the_installer_image() -> None:
    (step,) = DRIVER.switch_channel(_state(), ChannelWish("v1.14.1", SOURCE))
    patch = json.dumps({"machine": {"install": {"image": f"{SOURCE}:v1.14.1"}}})
    assert step.script.splitlines()[-1] == f"talos patch machineconfig --mode no-reboot --patch '{patch}'"
    with pytest.raises(Refused, match="it names no version of Talos"):
        DRIVER.switch_channel(_state(), ChannelWish("latest", SOURCE))


def test_reboot_goes_through_the_boot_loader() -> None:
    assert DRIVER.reboot().endswith("order_reboot")
    assert "reboot --mode powercycle --drain=false --wait=false" in DRIVER.reboot()


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "flotilla: not_installed another installation/upgrade is already in progress\n",
            "another installation",
        ),
        ("flotilla: not_installed write: no space left on device\n", "its disk is full"),
        ("flotilla: no_record rpc error: code = PermissionDenied\n", "the talosconfig gives no right to it"),
        ("flotilla: not_installed node h1: upgrade failed with exit code 1\n", "upgrade failed with exit code 1"),
    ],
)
def test_why_nothing_was_staged(log: str, cause: str) -> None:
    said = DRIVER.explain(_state(), NEW, log)
    assert said is not None
    assert said.startswith(f"installer {SOURCE}:v1.14.0: ")
    assert cause in said


# -- its part in sh

CONFIG = """\
node: 10.5.0.2
spec: |
    machine:
        token: secret
        kubelet:
            image: ghcr.io/siderolabs/kubelet:v1.34.0
        install:
            # image: a/comment:v0.0.0
            disk: /dev/sda
            extensions:
                image: not/this:v0.0.1
            image: "ghcr.io/siderolabs/installer:v1.14.0"
    cluster:
        install:
            image: not/this:v9.9.9
"""


def _in_shell(tmp_path: Path, answer: str, script: str, rc: int = 0) -> subprocess.CompletedProcess[str]:
    (tmp_path / "answer").write_text(answer)
    tool = tmp_path / "talosctl"
    tool.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\ncat {tmp_path}/answer\nexit {rc}\n')
    tool.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"],
        "FLOTILLA_TALOSCTL": str(tool),
        "FLOTILLA_TALOS_NODE": "10.5.0.2",
        "FLOTILLA_TALOS_ENDPOINTS": "10.5.0.1",
        "FLOTILLA_TALOS_CONTEXT": "",
    }
    library = DRIVER.boot_id().rpartition("\n")[0]
    argv = ["sh", "-c", f"{library}\n{script}"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(
    ("config", "image"),
    [
        (CONFIG, "ghcr.io/siderolabs/installer:v1.14.0"),
        (CONFIG.replace('            image: "ghcr.io/siderolabs/installer:v1.14.0"\n', ""), ""),
        (CONFIG.replace("        install:\n            #", "        other:\n            #"), ""),
    ],
)
def test_only_the_installer_image_leaves_the_machine_configuration(tmp_path: Path, config: str, image: str) -> None:
    done = _in_shell(tmp_path, config, "install_image")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{image}\n"
    assert _in_shell(tmp_path, "", "install_image", rc=1).returncode == 1


def test_host_is_named_in_each_call(tmp_path: Path) -> None:
    _in_shell(tmp_path, "1.5 2\n", "uptime_of_host")
    assert (tmp_path / "calls").read_text() == "read /proc/uptime --nodes 10.5.0.2 --endpoints 10.5.0.1\n"


def test_no_record_is_none_and_an_error_is_one(tmp_path: Path) -> None:
    absent = "rpc error: code = NotFound desc = resource MetaKeys.runtime.talos.dev(runtime/0x0e) doesn't exist\n"
    done = _in_shell(tmp_path, absent, "record", rc=1)
    assert (done.returncode, done.stdout) == (0, "")
    done = _in_shell(tmp_path, "rpc error: code = PermissionDenied\n", "record", rc=1)
    assert done.returncode == 1
    assert "PermissionDenied" in done.stderr


def test_install_that_does_not_say_so_is_not_recorded(tmp_path: Path) -> None:
    done = _in_shell(tmp_path, "", f"stage image {OLD} {NEW} {BOOT}")
    assert done.returncode == 1
    assert "did not say that it was completed" in done.stdout
    assert "installed" not in (tmp_path / "calls").read_text()
    (tmp_path / "calls").unlink()
    assert _in_shell(tmp_path, "10.5.0.2: upgrade completed\n", f"stage image {OLD} {NEW} {BOOT}").returncode == 0
    assert [line.split()[:5] for line in (tmp_path / "calls").read_text().splitlines()] == [
        ["meta", "write", "0x0e", "flotilla", "installing"],
        ["upgrade", "--image", "image", "--no-reboot", "--progress"],
        ["meta", "write", "0x0e", "flotilla", "installed"],
    ]


def test_rollback_whose_answer_is_lost_is_left_to_the_proof(tmp_path: Path) -> None:
    lost = "rpc error: code = Unavailable desc = transport is closing\n"
    # The record comes first: without it nothing is rolled back.
    assert _in_shell(tmp_path, lost, f"go_back {OLD} {NEW} {BOOT}", rc=1).returncode == 1
    assert "rollback" not in (tmp_path / "calls").read_text()
    script = f"remember() {{ :; }}\ngo_back {OLD} {NEW} {BOOT}"
    assert _in_shell(tmp_path, lost, script, rc=1).returncode == 0
    refused = _in_shell(tmp_path, _read("error-rollback-grub.stderr"), script, rc=1)
    assert (refused.returncode, "label does not exist" in refused.stderr) == (1, True)


def test_talosctl_that_drains_nothing_is_not_asked_not_to(tmp_path: Path) -> None:
    older = 'talos() { echo "$*"; case "$*" in *drain*) echo "unknown flag: --drain"; return 1 ;; esac; }'
    assert _in_shell(tmp_path, "", f"{older}\norder_reboot").stdout == "reboot --mode powercycle --wait=false\n"
    refused = _in_shell(tmp_path, "PermissionDenied\n", "order_reboot", rc=1)
    assert (refused.returncode, refused.stderr) == (1, "PermissionDenied\n")


def test_its_part_stands_in_a_substitution() -> None:
    for script in (DRIVER.boot_id(), DRIVER.uptime(), DRIVER.reboot()):
        assert not [line for line in script.splitlines() if line.startswith("#") or " # " in line]
        done = subprocess.run(["sh", "-n", "-c", f'[ "$({script})" = x ]'], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
