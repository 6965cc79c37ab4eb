# SPDX-License-Identifier: GPL-3.0-or-later
"""The bottlerocket driver: whose host it is, what is seen from its container, and what it does not promise."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.bottlerocket import NOT_HERE, Bottlerocket
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
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

SAMPLES = Path(__file__).parents[2] / "fixtures/bottlerocket"
DRIVER = Bottlerocket()
SOURCE = "https://updates.example.net/2020-07-07/aws-k8s-1.31/x86_64/"
OLD, NEW = "1.25.0-aws-k8s-1.31-x86_64", "1.26.1-aws-k8s-1.31-x86_64"
RECORD = "1.25.0 aws-k8s-1.31 x86_64\n1.26.1 aws-k8s-1.31 x86_64\n"
BOOTED = Deployment(OLD, "1.25.0", OLD, None, Position.BOOTED, verified=True)


def _read(name: str) -> str:
    return (SAMPLES / name).read_text()


def _result(name: str, text: str, rc: int = 0, stderr: str = "") -> Result:
    return Result(f"bottlerocket.{name}", "sh", rc, text, stderr)


def _results(
    status: str | None = None, sets: str | None = None, known: str = "", runs: str = "1.25.0"
) -> dict[str, Result]:
    said = (
        _result("status", _read(f"updates-status-{status}.json"))
        if status
        else _result("status", "", 1, _read("error-status-uninitialized.stderr"))
    )
    shown = [
        _result("os", _read("get-os.json").replace("1.25.0", runs)),
        _result("settings", _read("get-settings-updates.json")),
        said,
        _result("sets", sets, 0) if sets else _result("sets", "", NOT_HERE),
        _result("selinux", "1"),
        _result("known", known),
        _result("booted_at", "1796000000\n"),
    ]
    return {one.name: one for one in shown}


def _sets(a: str, b: str, active: str = "A", following: str = "A") -> str:
    lines = [f"Set {name}:   boot=/dev/x1 root=/dev/x2 hash=/dev/x3 {flags}" for name, flags in (("A", a), ("B", b))]
    return "\n".join(["OS disk: /dev/x", *lines, f"Active:  Set {active}", f"Next:    Set {following}", ""])


GOOD, EMPTY, SPENT = (
    f"priority={priority} tries_left=0 successful={good}"
    for priority, good in ((2, "true"), (0, "false"), (2, "false"))
)
BEHIND = GOOD.replace("=2", "=1")


def _state(**changes: object) -> HostState:
    channel = Channel("latest", SOURCE, Verification.SIGN)
    state = HostState("bottlerocket", Os(), "boot-0", booted=BOOTED, deployments=(BOOTED,), channel=channel)
    return replace(state, **changes)  # type: ignore[arg-type]


# -- whose host it is


def test_only_where_the_api_is() -> None:
    assert DRIVER.present(_results())
    gone = {step.name: Result(step.name, "sh", NOT_HERE) for step in DRIVER.probes()}
    assert not DRIVER.present(gone)
    # An API that is there and gives no answer is no reason to take the host for another's.
    down = {**_results(), "bottlerocket.os": _result("os", "", 1, "Connection refused")}
    assert DRIVER.present(down)
    with pytest.raises(FlotillaError, match="cannot ask the API which OS runs"):
        DRIVER.observe(down)


def test_neither_takes_the_hosts_of_another() -> None:
    others = [driver for driver in DRIVERS if driver.name != DRIVER.name]
    absent = {step.name: Result(step.name, "sh", 3) for driver in others for step in driver.probes()}
    assert [driver.name for driver in DRIVERS if driver.present({**absent, **_results()})] == ["bottlerocket"]


def test_probes_on_a_host_of_another_kind_end_at_once() -> None:
    for step in DRIVER.probes():
        done = subprocess.run(["sh", "-c", step.script], capture_output=True, text=True, check=False)
        assert done.returncode == NOT_HERE, f"{step.name}: {done.stderr}"


def test_what_it_can_do() -> None:
    assert capabilities(DRIVER) == ("rollback", "stage", "switch_channel")
    with pytest.raises(Refused, match="cannot arm a guard: Bottlerocket has no place for a guard"):
        DRIVER.guard_functions()


def test_host_is_not_its_container() -> None:
    seen = DRIVER.identity(_results())
    assert seen.os == Os("bottlerocket", "1.25.0", "aws-k8s-1.31", "Bottlerocket OS 1.25.0 (aws-k8s-1.31)")
    assert seen.mac == Mac(MacSystem.SELINUX, MacMode.ENFORCING)
    assert (seen.boot_id, seen.kernel_arguments) == (None, None)
    unseen = {**_results(), "bottlerocket.selinux": _result("selinux", "", 1)}
    assert DRIVER.identity(unseen).mac == Mac(MacSystem.SELINUX, None)


# -- what is seen


@pytest.mark.parametrize(
    ("status", "position", "first"),
    [
        (None, None, OLD),
        ("available", None, OLD),
        ("staged", Position.DOWNLOADED, OLD),
        ("ready", Position.STAGED, NEW),
    ],
)
def test_status(status: str | None, position: Position | None, first: str) -> None:
    view = DRIVER.observe(_results(status))
    assert view.booted == BOOTED
    assert (view.staged and view.staged.position) == position
    assert (view.staged and view.staged.digest) == (NEW if position else None)
    assert view.deployments[0].digest == first
    assert view.channel == Channel("latest", SOURCE, Verification.SIGN)
    assert (view.rollback, view.busy, view.fallback, view.unsettled) == (None, None, None, None)


def test_dispatcher_at_work_is_seen() -> None:
    locked = _result("status", "", 1, "Failed GET request: Status 423 when GETing /updates/status: Update lock held")
    view = DRIVER.observe({**_results(), "bottlerocket.status": locked})
    assert view.busy == "the update dispatcher is at work"
    broken = _result("status", "", 1, "Status 500 when GETing /updates/status: Failed to parse update status")
    with pytest.raises(FlotillaError, match="cannot read the update status"):
        DRIVER.observe({**_results(), "bottlerocket.status": broken})


def test_status_of_another_version_than_what_runs_is_an_error() -> None:
    with pytest.raises(CannotParse, match="1.25.0-aws-k8s-1.31-x86_64 is active, 1.26.1-aws-k8s-1.31-x86_64 runs"):
        DRIVER.observe(_results("available", runs="1.26.1"))


@pytest.mark.parametrize(
    ("sets", "known", "position"),
    [
        (_sets(BEHIND, GOOD, "B", "B"), RECORD, Position.ROLLBACK),
        # Put first by a rollback that waits for its reboot.
        (_sets(GOOD, BEHIND, "B", "A"), RECORD, Position.PENDING),
        # Nobody knows what it is, the record is of another time, it is none that ran well.
        (_sets(BEHIND, GOOD, "B", "B"), "", None),
        (_sets(BEHIND, GOOD, "B", "B"), RECORD.replace("1.26.1", "1.24.0"), None),
        (_sets(EMPTY, GOOD, "B", "B"), RECORD, None),
    ],
)
def test_way_back(sets: str, known: str, position: Position | None) -> None:
    view = DRIVER.observe(_results(None, sets, known, runs="1.26.1"))
    assert (view.rollback and (view.rollback.digest, view.rollback.position)) == (position and (OLD, position))
    assert (view.staged is not None) == (position is Position.PENDING)
    assert (view.deployments[0].digest == OLD) == (position is Position.PENDING)


def test_fallback_of_the_boot_loader_is_told() -> None:
    fallback = DRIVER.observe(_results(None, _sets(BEHIND, SPENT), RECORD)).fallback
    assert fallback is not None
    assert (fallback.cause.value, fallback.target, fallback.rollback_to, fallback.at) == (
        "boot_failed",
        NEW,
        OLD,
        1796000000,
    )
    # What is written and was never put first has not failed.
    assert DRIVER.observe(_results(None, _sets(GOOD, EMPTY), RECORD)).fallback is None


def test_boot_that_is_not_marked_yet_is_unsettled() -> None:
    view = DRIVER.observe(_results(None, _sets(BEHIND, SPENT, "B", "A"), RECORD, runs="1.26.1"))
    assert view.unsettled is not None
    assert "the boot loader would go back" in view.unsettled


# -- what is offered, staged and followed


def test_offer() -> None:
    found = DRIVER.offer(_result("offer", _read("updates-status-available.json")), _state())
    assert (found.digest, found.version) == (NEW, "1.26.1")
    idle = _read("updates-status-idle-first-refresh.json")
    assert DRIVER.offer(_result("offer", idle), _state()).digest == OLD
    locked = _state(channel=Channel("1.26.1", SOURCE, Verification.SIGN))
    with pytest.raises(FlotillaError, match=r"version 1\.26\.1, to which this host is locked, is not offered to it"):
        DRIVER.offer(_result("offer", idle), locked)
    with pytest.raises(FlotillaError, match="the repository does not answer: refresh: Metadata error: Failed to fetch"):
        DRIVER.offer(_result("offer", _read("updates-status-refresh-failed.json")), _state())


@pytest.mark.parametrize(
    ("digest", "downgrade", "cause"),
    [
        ("1.24.0-aws-k8s-1.31-x86_64", False, "it is older than 1.25.0, which runs; allow_downgrade"),
        ("1.26.1-metal-k8s-1.29-x86_64", False, "this host is aws-k8s-1.31-x86_64"),
        ("1.26.1-aws-k8s-1.31-aarch64", True, "this host is aws-k8s-1.31-x86_64"),
        ("b" * 64, False, "is called VERSION-VARIANT-ARCH"),
        ("1.26.1-x; reboot-x86_64", False, "this host is aws-k8s-1.31-x86_64"),
    ],
)
def test_what_is_not_staged(digest: str, downgrade: bool, cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        DRIVER.stage(_state(), digest, downgrade)


def test_stage_names_both_images() -> None:
    script = DRIVER.stage(_state(), NEW, False)
    assert script.endswith("stage '1.25.0 aws-k8s-1.31 x86_64' '1.26.1 aws-k8s-1.31 x86_64'")
    assert DRIVER.stage(_state(), "1.24.0-aws-k8s-1.31-x86_64", True)


def test_nothing_is_unstaged() -> None:
    with pytest.raises(Refused, match="has no command that drops what is written"):
        DRIVER.unstage(_state())


def test_only_what_the_other_set_holds_is_a_way_back() -> None:
    other = Deployment(NEW, "1.26.1", NEW, None, Position.ROLLBACK)
    assert "go_back" in DRIVER.roll_back(_state(rollback=other), other).script
    with pytest.raises(Refused, match="only what the other partition set holds"):
        DRIVER.roll_back(_state(), other)


def test_channel_is_a_setting() -> None:
    mirror = SOURCE.replace("updates.", "mirror.")
    (step,) = DRIVER.switch_channel(_state(), ChannelWish("1.26.1", mirror))
    assert '"metadata-base-url": "https://mirror.example.net/2020-07-07/aws-k8s-1.31/x86_64/"' in step.script
    assert '"targets-base-url": "https://mirror.example.net/targets/"' in step.script
    assert '"version-lock": "1.26.1"' in step.script
    (step,) = DRIVER.switch_channel(_state(), ChannelWish("latest", SOURCE))
    assert "base-url" not in step.script


@pytest.mark.parametrize(
    ("name", "source", "cause"),
    [
        ("stable", SOURCE, "version-lock is latest or a version"),
        ("latest", "https://mirror.example.net/images/", "it is no .../YYYY-MM-DD/VARIANT/ARCH/"),
        ("latest", SOURCE.replace("aws", "metal"), "this host is aws-k8s-1.31, x86_64"),
    ],
)
def test_channel_that_is_none(name: str, source: str, cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        DRIVER.switch_channel(_state(), ChannelWish(name, source))


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("flotilla: not_offered nothing\n", "it is not what https://updates"),
        ("downloading\nflotilla: not_prepared Metadata error: x expired\n", "its signatures do not verify"),
        ("flotilla: not_prepared Failed writing: No space left on device\n", "the disk is full"),
        (f"flotilla: not_prepared {_read('error-apply-not-allowed.stderr')}", "an update is ready already"),
        ("flotilla: failed the dispatcher wrote nothing\n", "the dispatcher wrote nothing"),
        ("sh: apiclient: not found\n", "apiclient: not found"),
    ],
)
def test_why_nothing_was_staged(log: str, cause: str) -> None:
    assert cause in (DRIVER.explain(_state(), NEW, log) or "")


# -- its part in sh: what is recorded of the sets

API = """#!/bin/sh
echo "$*" >>{folder}/calls
case "$*" in
  "get /updates/status") cat {folder}/status ;;
  *prepare*) [ ! -e {folder}/refuses ] || {{ echo "Status 423" >&2; exit 1; }}; cp {folder}/prepared {folder}/status ;;
  *refresh*) sed -i 's/41.100000003Z/42.0Z/' {folder}/status ;;
esac
"""


def _staged(
    tmp_path: Path, prepared: str, refuses: bool = False
) -> tuple[subprocess.CompletedProcess[str], str | None]:
    """Stage on a host whose dispatcher leaves `prepared` behind; return what was said, and the record afterwards."""
    (tmp_path / "apiclient").write_text(API.format(folder=tmp_path))
    (tmp_path / "apiclient").chmod(0o755)
    (tmp_path / "status").write_text(_read("updates-status-available.json"))
    (tmp_path / "prepared").write_text(prepared)
    if refuses:
        (tmp_path / "refuses").touch()
    store = tmp_path / "store"
    store.mkdir()
    (store / "sets").write_text("1.25.0 aws-k8s-1.31 x86_64\n1.24.0 aws-k8s-1.31 x86_64\n")
    script = DRIVER.stage(_state(), NEW, False).replace("sleep $pause", ":")
    script = script.replace("STORE=/.bottlerocket/host-containers/current/flotilla/bottlerocket", f"STORE={store}")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, env=environment)
    record = store / "sets"
    return done, record.read_text() if record.exists() else None


def test_what_is_written_is_recorded(tmp_path: Path) -> None:
    done, record = _staged(tmp_path, _read("updates-status-staged.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert record == RECORD


def test_refused_work_leaves_the_record_as_it_was(tmp_path: Path) -> None:
    done, record = _staged(tmp_path, "", refuses=True)
    assert (done.returncode, "flotilla: not_prepared Status 423" in done.stdout) == (1, True)
    assert record == "1.25.0 aws-k8s-1.31 x86_64\n1.24.0 aws-k8s-1.31 x86_64\n"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"cmd_status":"Success"', '"cmd_status":"Failed"', "flotilla: not_prepared"),
        (
            '"version":"1.26.1","variant":"aws-k8s-1.31"},"next',
            '"version":"1.26.0","variant":"aws-k8s-1.31"},"next',
            "wrote 1.26.0",
        ),
    ],
)
def test_after_failed_work_nobody_knows_what_is_there(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = _read("updates-status-staged.json")
    assert before in text
    done, record = _staged(tmp_path, text.replace(before, after))
    assert (done.returncode, said in done.stdout) == (1, True), done.stdout
    assert record is None
