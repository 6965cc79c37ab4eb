# SPDX-License-Identifier: GPL-3.0-or-later
"""The ostree driver: whose host it is, what is seen, what is said, and why a stage was refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import NOT_HERE, OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    Os,
    Position,
    Verification,
)

RECORDED = Path(__file__).parents[2] / "fixtures/ostree"
DRIVER = OSTree()
REMOTE = '\n@@flotilla-file /etc/ostree/remotes.d/lab.conf\n[remote "lab"]\nurl=http://repo/\ngpg-verify=true\n'


def _read(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


def _results(status: str = "admin-status-booted", rc: int = 0, **shown: str) -> dict[str, Result]:
    texts = {"others": "", "status": _read(status) if status else "", "remotes": REMOTE, "keys": "", "entries": ""}
    texts |= {"staged": "", **shown}
    return {f"ostree.{name}": Result(f"ostree.{name}", "sh", rc, text) for name, text in texts.items()}


def _state(**changes: object) -> HostState:
    booted = Deployment("a" * 64 + ".0", "1", "a" * 64, "lab:lab/x86_64/stable", Position.BOOTED)
    channel = Channel("lab/x86_64/stable", "http://repo/", Verification.GPG, remote="lab")
    return HostState("ostree", Os(), "boot-0", **{"booted": booted, "channel": channel, **changes})  # type: ignore[arg-type]


# -- whose host it is


def test_only_a_host_of_plain_ostree_is_ours() -> None:
    assert DRIVER.present(_results())
    assert not DRIVER.present(_results(status="", rc=NOT_HERE))
    assert not DRIVER.present(_results(others="/usr/bin/rpm-ostree\n"))


@pytest.mark.skipif(Path("/run/ostree-booted").exists(), reason="this machine is booted by OSTree itself")
def test_probes_on_a_host_of_another_kind_end_at_once_and_change_nothing() -> None:
    for step in DRIVER.probes():
        done = subprocess.run(["sh", "-c", step.script], capture_output=True, text=True, check=False)
        assert done.returncode in (0, NOT_HERE), f"{step.name}: {done.stderr}"


# -- what is seen


@pytest.mark.parametrize(
    ("status", "booted", "staged", "rollback"),
    [
        ("admin-status-booted", "1", None, None),
        ("admin-status-staged", "1", "2", None),
        ("admin-status-upgraded", "2", None, "1"),
        ("admin-status-staged-never-up", None, "3-never-up", None),
    ],
)
def test_recorded_hosts(status: str, booted: str | None, staged: str | None, rollback: str | None) -> None:
    view = DRIVER.observe(_results(status))
    assert view.booted is not None
    assert booted in (None, view.booted.version)
    assert (view.staged and view.staged.version) == staged
    assert rollback is None or (view.rollback is not None and view.rollback.version == rollback)
    assert view.channel is not None
    assert (view.channel.remote, view.channel.source, view.channel.verification) == (
        "lab",
        "http://repo/",
        Verification.GPG,
    )
    assert view.booted.verified is True


def test_after_the_boot_loader_fell_back_the_bad_one_is_still_the_next_boot() -> None:
    view = DRIVER.observe(_results("admin-status-fallback-never-up"))
    assert view.staged is not None
    assert (view.staged.version, view.staged.position) == ("3-never-up", Position.PENDING)
    assert view.booted is not None
    assert view.deployments[0] == view.staged


def test_arguments_of_the_next_boot() -> None:
    view = DRIVER.observe(_results("admin-status-staged", staged=_read("staged-deployment-kargs.od")))
    assert view.next_kernel_arguments is not None
    assert "flotilla.test=1" in view.next_kernel_arguments


def test_status_that_fails_is_told_with_its_command() -> None:
    results = _results() | {"ostree.status": Result("ostree.status", "ostree admin status", 1, "", "error: no sysroot")}
    with pytest.raises(FlotillaError, match=r"cannot read the deployments: .*ostree admin status.*no sysroot"):
        DRIVER.observe(results)


def test_origin_without_a_remote_has_no_source() -> None:
    status = f"* lab {'a' * 64}.0\n    origin refspec: local/branch\n"
    view = DRIVER.observe(_results(status="") | {"ostree.status": Result("ostree.status", "sh", 0, status)})
    assert view.channel == Channel("local/branch", None, None)


# -- what the channel offers


def test_offer() -> None:
    found = DRIVER.offer(Result("offer", "sh", 0, _read("remote-summary")), _state())
    assert found.version == "2"
    assert len(found.digest) == 64


def test_offer_of_a_branch_that_is_not_there() -> None:
    state = _state(channel=Channel("lab/x86_64/none", "http://repo/", Verification.GPG, remote="lab"))
    with pytest.raises(
        FlotillaError,
        match=r"cannot ask remote lab \(http://repo/\) for channel lab/x86_64/none: it offers no such branch",
    ):
        DRIVER.offer(Result("offer", "sh", 0, _read("remote-summary")), state)


def test_host_that_follows_nothing_cannot_be_asked() -> None:
    with pytest.raises(Refused, match="set one with update_channel"):
        DRIVER.offer(Result("offer", "sh", 0, ""), _state(channel=None))


# -- staging


def test_stage_takes_an_exact_commit_only() -> None:
    script = DRIVER.stage(_state(), "b" * 64, allow_downgrade=False)
    assert f"--override-commit={'b' * 64}" in script
    assert "--stage" in script
    assert "--allow-downgrade" not in script
    assert "--allow-downgrade" in DRIVER.stage(_state(), "b" * 64, allow_downgrade=True)
    for digest in ("b" * 63, "latest", "$(reboot)", "B" * 64):
        with pytest.raises(Refused, match="64 hexadecimal digits"):
            DRIVER.stage(_state(), digest, allow_downgrade=False)


@pytest.mark.parametrize(
    ("recorded", "meaning"),
    [
        ("upgrade-refused-unsigned", "it is not signed"),
        ("upgrade-refused-other-key", "it is signed by a key that the remote does not trust"),
        ("upgrade-refused-tampered", "it was tampered with"),
    ],
)
def test_refusal_names_commit_remote_and_key(recorded: str, meaning: str) -> None:
    log = _read(f"{recorded}.stderr") + "trusted keys:\nABCDEF0123\n"
    cause = DRIVER.explain(_state(), "b" * 64, log)
    assert cause is not None
    assert f"commit {'b' * 64} of lab:lab/x86_64/stable (http://repo/): {meaning}" in cause
    assert "keys trusted for remote lab: ABCDEF0123" in cause


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        (
            "error: Writing content object: min-free-space-percent '3%' would be exceeded, at least 12 MB requested",
            "disk is full",
        ),
        ("error: While fetching http://repo/x: [7] Couldn't connect to server", "remote does not answer"),
        (
            "error: Upgrade target revision 'b' with timestamp X is chronologically older than current",
            "older than what runs",
        ),
        ("error: something new", "error: something new"),
    ],
)
def test_other_causes(log: str, meaning: str) -> None:
    assert meaning in str(DRIVER.explain(_state(), "b" * 64, f"{log}\ntrusted keys:\n"))


def test_nothing_said_is_no_cause() -> None:
    assert DRIVER.explain(_state(), "b" * 64, "trusted keys:\n") is None


def test_unstage_counts_from_the_front() -> None:
    staged = Deployment("b" * 64 + ".0", "2", "b" * 64, None, Position.STAGED)
    state = _state()
    assert state.booted is not None
    step = DRIVER.unstage(_state(staged=staged, deployments=(staged, state.booted)))
    assert step == Step("unstage", "ostree admin undeploy 0", required=True)
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())


# -- the channel, on a real directory


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with remotes, and an `ostree` that notes how it is called."""
    monkeypatch.setattr(
        "ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._remotes.REMOTES_DIR", str(tmp_path)
    )
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ostree").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
    (tools / "chown").write_text("#!/bin/sh\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    return tmp_path


SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_switch_keeps_what_is_not_ours_and_can_be_repeated(host: Path, shell: list[str]) -> None:
    (host / "lab.conf").write_text(
        '[remote "lab"]\nurl=http://old/\ngpg-verify=false\nproxy=http://p:1\ntls-ca-path=/ca\n'
    )
    wish = ChannelWish("lab/x86_64/next", "http://new/", "lab", Verification.GPG, keys="-----BEGIN\n'quoted'\n")
    for _again in range(2):
        for step in DRIVER.switch_channel(_state(), wish):
            assert step.required
            subprocess.run([*shell, "-c", step.script], check=True)
    lines = (host / "lab.conf").read_text().splitlines()
    assert lines[0] == '[remote "lab"]'
    assert sorted(lines[1:]) == sorted(
        ["url=http://new/", "gpg-verify=true", f"gpgkeypath={host}/lab.asc", "proxy=http://p:1", "tls-ca-path=/ca"]
    )
    assert (host / "lab.asc").read_text() == "-----BEGIN\n'quoted'\n"
    assert (host / "calls").read_text().splitlines()[-1] == "admin set-origin lab http://new/ lab/x86_64/next"
    assert not list(host.glob("*.new"))


@pytest.mark.parametrize(
    ("verification", "lines"),
    [
        (Verification.NONE, ["gpg-verify=false"]),
        (Verification.SIGN, ["gpg-verify=false", "sign-verify=true"]),
        (None, ["gpg-verify=true"]),  # what it was
    ],
)
def test_verification(host: Path, verification: Verification | None, lines: list[str]) -> None:
    for step in DRIVER.switch_channel(_state(), ChannelWish(verification=verification)):
        subprocess.run(["sh", "-c", step.script], check=True)
    assert (host / "lab.conf").read_text().splitlines()[2:] == lines


def test_channel_with_a_part_missing_is_refused() -> None:
    with pytest.raises(Refused, match="it needs a remote, a branch and a URL; known are x, None, None"):
        DRIVER.switch_channel(_state(channel=None), ChannelWish(remote="x"))


def test_key_of_the_channel() -> None:
    results = _results(keys=f"{'0' * 64}  /etc/ostree/remotes.d/other.asc\n{'1' * 64}  /etc/ostree/remotes.d/lab.asc\n")
    channel = Channel("x", "http://repo/", Verification.GPG, remote="lab")
    assert DRIVER.trusted_keys(results, channel) == "1" * 64
    assert DRIVER.trusted_keys(_results(), channel) is None


# -- the guard's functions and rolling back, by real shells


OLD, NEW = "a" * 64 + ".0", "b" * 64 + ".1"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("first", "target", "calls", "rc"),
    [
        (NEW, OLD, ["admin set-default 1"], 0),
        (OLD, OLD, [], 0),
        (NEW, "c" * 64 + ".0", [], 1),
    ],
)
def test_make_default_is_proven(
    tmp_path: Path, shell: list[str], first: str, target: str, calls: list[str], rc: int
) -> None:
    second = OLD if first == NEW else NEW
    (tmp_path / "order").write_text(f"{first} {second}")
    tool = tmp_path / "ostree"
    tool.write_text(
        "#!/bin/sh\n"
        f"read -r one two <{tmp_path}/order\n"
        'case "$*" in\n'
        '"admin status"*) printf "  lab %s (pending)\\n    Version: 1\\n* lab %s\\n" "$one" "$two" ;;\n'
        f'"admin set-default 1") echo "$*" >>{tmp_path}/calls; echo "$two $one" >{tmp_path}/order ;;\n'
        "*) exit 9 ;;\nesac\n"
    )
    tool.chmod(0o755)
    script = f"PATH={tmp_path}:$PATH\n{DRIVER.guard_functions()}\nmake_default {target}"
    done = subprocess.run([*shell, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == rc, done.stderr
    made = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
    assert made == calls


def test_rolling_back_drops_what_is_staged_first() -> None:
    step = DRIVER.roll_back(_state(), Deployment(OLD, "1", OLD[:64], None))
    assert step.required
    assert step.script.index("ostree admin undeploy 0") < step.script.index(f"make_default {OLD}")


# -- kernel arguments


def test_kernel_arguments_are_a_deployment_of_the_commit_that_runs() -> None:
    script = DRIVER.set_kernel_arguments(_state(), ("panic=5", "x=$(y)"), ("quiet",))
    assert script.startswith("ostree admin deploy --stage --origin-file=/ostree/deploy/")
    assert script.endswith(f"--karg-append=panic=5 '--karg-append=x=$(y)' --karg-delete=quiet {'a' * 64}")
    with pytest.raises(Refused, match="the deployment that runs is not known"):
        DRIVER.set_kernel_arguments(_state(booted=None), (), ())
