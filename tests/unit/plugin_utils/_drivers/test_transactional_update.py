# SPDX-License-Identifier: GPL-3.0-or-later
"""The transactional_update driver: whose host it is, what is seen, what is offered, and why nothing was staged."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish, LocksStaged
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.transactional_update import (
    NOT_HERE,
    TransactionalUpdate,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    Os,
    Position,
    Verification,
)

RECORDED = Path(__file__).parents[2] / "fixtures/transactional_update"
DRIVER = TransactionalUpdate()
A, B, C = "a" * 64, "b" * 64, "c" * 64
OSS = "http://download.opensuse.org/tumbleweed/repo/oss/"
ASKED = f"repo-oss ({OSS})"
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


def _result(name: str, text: str, rc: int = 0, stderr: str = "") -> Result:
    return Result(f"transactional_update.{name}", "sh", rc, text, stderr)


def _row(number: int, description: str = "", unfinished: bool = False) -> dict[str, object]:
    userdata = {"transactional-update-in-progress": "yes"} if unfinished else None
    return {"number": number, "default": False, "active": False, "description": description, "userdata": userdata}


ROWS = [_row(0), _row(9), _row(12, "Snapshot Update of #9"), _row(14, "Snapshot Update of #12")]


def _results(running: int = 12, following: int = 12, staged: str = "", **changes: Result) -> dict[str, Result]:
    shown = {
        "running": _result("running", f"/@/.snapshots/{running}/snapshot\n"),
        "default": _result("default", f"ID 278 gen 8 top level 257 path @/.snapshots/{following}/snapshot\n"),
        "snapshots": _result("snapshots", json.dumps({"root": ROWS})),
        "contents": _result(
            "contents", f"snapshot 9 {A} 20261118\nsnapshot 12 {B} 20261120\nsnapshot 14 {C} 20261122\nend\n"
        ),
        "staged": _result("staged", staged),
        "repositories": _result(
            "repositories", f"\n{FILE_MARK}/etc/zypp/repos.d/oss.repo\n[repo-oss]\nbaseurl={OSS}\n"
        ),
        "busy": _result("busy", ""),
        **changes,
    }
    return {one.name: one for one in shown.values()}


def _state(**changes: object) -> HostState:
    booted = Deployment("12", "20261120", B, None, Position.BOOTED)
    channel = Channel("repo-oss", OSS, Verification.GPG)
    return HostState("transactional_update", Os(), "boot-0", **{"booted": booted, "channel": channel, **changes})  # type: ignore[arg-type]


# -- whose host it is


def test_only_a_host_that_runs_a_snapshot_is_ours() -> None:
    assert DRIVER.present(_results())
    for running in (_result("running", "", NOT_HERE), _result("running", "/@\n"), _result("running", "")):
        assert not DRIVER.present(_results(running=12) | {running.name: running})


def test_a_folder_ostree_and_tools_that_manage_nothing_do_not_make_it_anothers() -> None:
    gone = {step.name: Result(step.name, "sh", NOT_HERE) for driver in DRIVERS for step in driver.probes()}
    results = {**gone, **_results()}
    # OSTree for Flatpak, and a bootc that is installed and fails: neither boots this host.
    results["ostree.others"] = Result("ostree.others", "sh", 0)
    results["bootc.status"] = Result("bootc.status", "sh", 1, "", "error: not a bootc host")
    assert isinstance(next(driver for driver in DRIVERS if driver.present(results)), TransactionalUpdate)
    assert not OSTree().present(results)


def test_hosts_of_others_are_not_ours() -> None:
    gone = {step.name: Result(step.name, "sh", NOT_HERE) for step in DRIVER.probes()}
    ostree = {step.name: Result(step.name, "sh", 0) for step in OSTree().probes()}
    assert not DRIVER.present({**gone, **ostree})
    assert OSTree().present({**gone, **ostree})


def test_probes_on_a_host_of_another_kind_end_at_once_and_change_nothing() -> None:
    for step in (*DRIVER.probes(), DRIVER.offer_probe()):
        done = subprocess.run(["sh", "-c", step.script], capture_output=True, text=True, check=False)
        assert done.returncode == NOT_HERE, f"{step.name}: {done.stderr}"


def test_what_it_can_do() -> None:
    assert capabilities(DRIVER) == ("guard", "hold_updater", "rollback", "stage", "switch_channel")
    assert isinstance(DRIVER, LocksStaged)
    assert "grub.cfg" in DRIVER.lacks["kernel_arguments"]


# -- what is seen


def _places(view: object) -> tuple[str | None, ...]:
    return tuple(getattr(view, name) and getattr(view, name).id for name in ("booted", "staged", "rollback"))


@pytest.mark.parametrize(
    ("running", "following", "staged", "places", "order"),
    [
        (12, 12, "", ("12", None, "9"), ["12", "9", "14"]),
        # Put aside by us: it does not boot by itself.
        (12, 12, "14\n", ("12", "14", "9"), ["12", "14", "9"]),
        # Made the next boot by somebody else, whatever we have put aside.
        (12, 14, "", ("12", "14", "9"), ["14", "12", "9"]),
        (12, 9, "14\n", ("12", "9", None), ["9", "12", "14"]),
        # It runs: the way back is what it was made of.
        (14, 14, "14\n", ("14", None, "12"), ["14", "12", "9"]),
        # What it was made of is not there any more.
        (9, 9, "", ("9", None, None), ["9", "14", "12"]),
    ],
)
def test_places(running: int, following: int, staged: str, places: tuple[str | None, ...], order: list[str]) -> None:
    view = DRIVER.observe(_results(running, following, staged))
    if running == 12 and following == 9:
        # The way back is the next boot already.
        assert view.rollback is not None
        assert view.rollback.position is Position.PENDING
        places = (*places[:2], "9")
    assert _places(view) == places
    assert [one.id for one in view.deployments] == order
    if view.staged is not None:
        assert view.staged.position is (Position.STAGED if following == running else Position.PENDING)
    assert view.booted is not None
    assert view.booted.position is Position.BOOTED
    assert view.channel == Channel("repo-oss", OSS, Verification.GPG)
    assert view.busy is None


def test_a_transaction_that_goes_on_is_no_deployment() -> None:
    rows = [*ROWS[:3], _row(14, "Snapshot Update of #12", unfinished=True)]
    results = _results(staged="14\n", snapshots=_result("snapshots", json.dumps({"root": rows})))
    view = DRIVER.observe(results)
    assert _places(view) == ("12", None, "9")
    assert [one.id for one in view.deployments] == ["12", "9"]


def test_what_cannot_be_read_is_not_made_up() -> None:
    results = _results(contents=_result("contents", f"snapshot 12 {B} -\nend\n"))
    view = DRIVER.observe(results)
    assert view.deployments == (Deployment("12", None, B, None, Position.BOOTED),)
    with pytest.raises(CannotParse, match="snapshot 14 boots next, and is not in them"):
        DRIVER.observe({**results, "transactional_update.default": _results(12, 14)["transactional_update.default"]})
    with pytest.raises(CannotParse, match="snapshot 7, which is in use, is not in it"):
        DRIVER.observe(_results(running=7))
    failed = _result("contents", "", 1, "error: cannot open Packages database")
    with pytest.raises(FlotillaError, match=r"cannot read the snapshots' packages.*cannot open Packages database"):
        DRIVER.observe(_results(contents=failed))


def test_several_repositories_are_one_channel() -> None:
    text = f"\n{FILE_MARK}/etc/zypp/repos.d/oss.repo\n[repo-oss]\nbaseurl={OSS}\n[b]\nbaseurl=https://b/\ngpgcheck=0\n"
    view = DRIVER.observe(_results(repositories=_result("repositories", text)))
    assert view.channel == Channel("b+repo-oss", f"https://b/ {OSS}", Verification.NONE)
    assert DRIVER.observe(_results(repositories=_result("repositories", ""))).channel is None


def test_a_tool_at_work_is_seen() -> None:
    busy = _result("busy", "transactional-update (process 7) is at work\nzypp (process 8) is at work\n")
    assert DRIVER.observe(_results(busy=busy)).busy == "transactional-update (process 7) is at work"


# -- what is offered, and staged


def test_offer() -> None:
    found = DRIVER.offer(_result("offer", f"digest {C}\nversion 20261122\n"), _state())
    assert (found.digest, found.version) == (C, "20261122")
    failed = _result("offer", "", 1, "Skipping\nDownload (curl) error for 'http://x/':\nzypper dup exited with 106")
    with pytest.raises(FlotillaError, match=r"cannot ask repo-oss \(\S+\) for updates: the repository does not answer"):
        DRIVER.offer(failed, _state())
    with pytest.raises(Refused, match="no repository is enabled"):
        DRIVER.offer(failed, _state(channel=None))


def test_stage_wants_a_digest() -> None:
    assert DRIVER.stage(_state(), C, True).endswith(f"\nstage {C} 1")
    with pytest.raises(Refused, match="64 hexadecimal digits"):
        DRIVER.stage(_state(), "20261122", False)
    with pytest.raises(Refused, match="no repository is enabled"):
        DRIVER.stage(_state(channel=None), C, False)
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())


FAILED = "flotilla: tool_failed transactional-update exited with 1 and made no new snapshot\n"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ((RECORDED / "messages/tu-locked.stderr").read_text() + FAILED, "the host is busy: Couldn't get lock"),
        ((RECORDED / "messages/tu-zypper-failed.log").read_text() + FAILED, "failed with exit code 104!"),
        ((RECORDED / "messages/tu-up-nothing-to-do.log").read_text() + FAILED, "zypper: nothing to update"),
        (
            (RECORDED / "zypper/run-unsigned-package.log").read_text() + FAILED,
            "its signature is not accepted: MicroOS-release-20261122-1.1.x86_64 (oss): Signature verification failed",
        ),
        (
            (RECORDED / "zypper/run-network.log").read_text() + FAILED,
            "as it should: Download (curl) error for 'http://127.0.0.1:8899/oss/x86_64/beta-2.0-4.1.x86_64.rpm': Error",
        ),
        (
            (RECORDED / "zypper/run-missing-package.log").read_text() + FAILED,
            "the repository does not have it any more: File './x86_64/beta-2.0-4.1.x86_64.rpm' not found on medium",
        ),
        (FAILED, "made no new snapshot; transactional-update exited with 1"),
        (f"flotilla: not_offered digest {A} version 20261121 \n", f"offers: it offers 20261121 ({A[:12]})"),
        ("flotilla: no_answer System management is locked by the application with pid 7", "the host is busy: System"),
        ("flotilla: refused 1 is older than 2, which runs; allow_downgrade", "1 is older than 2, which runs"),
        ("sh: cannot fork\n", "sh: cannot fork"),
    ],
)
def test_cause_of_a_failed_stage(log: str, cause: str) -> None:
    assert cause in str(DRIVER.explain(_state(), C, log))


def test_silence_has_no_cause() -> None:
    assert DRIVER.explain(_state(), C, "") is None


# -- what a snapshot consists of

INSTALLED = """@ bash 5.3.3-2.1 x86_64 100
@ glibc 2.42-2.1 x86_64 100
@ gpg-pubkey 29b700a4-62b07e22 (none) 100
@ iputils-legacy 20250605-1.3 noarch 100
@ kernel-default 6.17.8-1.1 x86_64 300
@ kernel-default 6.17.7-1.1 x86_64 200
@ openssl-3 0:3.5.3-1.1 x86_64 100
@ vim-data 9.1.1629-1.1 noarch 100
"""
NOW = ["bash x86_64 5.3.3-2.1", "glibc x86_64 2.42-2.1", "iputils-legacy noarch 20250605-1.3"]
NOW += ["kernel-default x86_64 6.17.8-1.1", "openssl-3 x86_64 3.5.3-1.1", "vim-data noarch 9.1.1629-1.1"]
THEN = ["bash x86_64 5.3.3-2.1", "glibc x86_64 2.42-3.1", "kernel-default x86_64 6.17.9-1.1"]
THEN += ["libpasswdqc1 x86_64 1:2.0.3-2.1", "openssl-3 x86_64 3.5.2-1.1", "vim-data x86_64 9.1.1700-1.1"]


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in sorted(lines)).encode()).hexdigest()


def _asked(folder: Path, shell: list[str], call: str, installed: str = INSTALLED, xml: str = "", rc: int = 0) -> str:
    """Run a function of ours where snapshot 12 runs, and rpm and zypper say this; return what it prints."""
    tools = {
        "findmnt": "echo /@/.snapshots/12/snapshot",
        "btrfs": "echo ID 278 gen 8 top level 257 path @/.snapshots/12/snapshot",
        "rpm": f"cat {folder}/installed",
        "zypper": f"cat {folder}/xml; exit {rc}",
        "readlink": "echo MicroOS.prod",
    }
    for name, script in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "installed").write_text(installed)
    (folder / "xml").write_text(xml)
    # The functions alone: that the tools are there, the last line but one asks, is of no interest here.
    functions = DRIVER.offer_probe().script.splitlines()[:-2]
    program = "\n".join([*functions, call, ""])
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run([*shell, "-c", program], env=environment, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else f"failed: {done.stderr}"


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    return list(request.param)


def test_digest_is_over_the_packages(tmp_path: Path, shell: list[str]) -> None:
    assert _asked(tmp_path, shell, "digest_of 12") == f"{_digest(NOW)}\n"
    # Their order, when they were installed, left over kernels and keys are nothing that tells one from another.
    other = "\n".join(reversed(INSTALLED.replace(" 100", " 150").splitlines()[:5])) + "\n"
    other += "".join(f"{line}\n" for line in INSTALLED.splitlines()[6:])
    assert _asked(tmp_path, shell, "digest_of 12", other) == f"{_digest(NOW)}\n"
    assert _asked(tmp_path, shell, "digest_of 12", INSTALLED.replace("2.42-2.1", "2.42-2.2")) != f"{_digest(NOW)}\n"


@pytest.mark.parametrize("installed", ["", INSTALLED[:-5], INSTALLED[:-30], "@ gpg-pubkey 2-6 (none) 100\n", "error\n"])
def test_no_digest_of_half_a_list(tmp_path: Path, shell: list[str], installed: str) -> None:
    assert _asked(tmp_path, shell, "digest_of 12", installed).startswith("failed")


def _recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def test_what_was_announced_is_what_came_of_it(tmp_path: Path, shell: list[str]) -> None:
    """A real zypper: its announcement, applied to what rpm lists, is what rpm lists after it was done."""
    before, after = _recorded("rpm/rpm-qa.stdout"), _recorded("rpm/rpm-qa-after.stdout")
    announced = _asked(tmp_path, shell, "offer", before, _recorded("zypper/dup.xml"))
    done = _asked(tmp_path, shell, "digest_of 12", after)
    assert announced == f"digest {done}version -\n"
    assert done != _asked(tmp_path, shell, "digest_of 12", before)
    # `up` leaves out what `dup` would downgrade.
    up = _asked(tmp_path, shell, "offer", before, _recorded("zypper/up.xml"))
    assert up == f"digest {_asked(tmp_path, shell, 'digest_of 12', after.replace(' 4-1.1 ', ' 5-1.1 '))}version -\n"
    nothing = _asked(tmp_path, shell, "offer", after, _recorded("zypper/dup-nothing.xml"))
    assert nothing == announced


@pytest.mark.parametrize(
    ("recorded", "rc", "cause"),
    [
        (
            "dup-locked.xml",
            7,
            "the host is busy: System management is locked by the application with pid 11087",
        ),
        (
            "dup-network.xml",
            106,
            "Download (curl) error for 'http://127.0.0.1:9/oss/content': Error code",
        ),
        (
            "dup-unsigned.xml",
            106,
            "signature is not accepted: File 'repomd.xml' from repository 'oss' is unsigned.",
        ),
        ("dup-unknown-key.xml", 106, "'oss' is signed with an unknown key '1969553BB0178639'."),
    ],
)
def test_recorded_refusals_of_zypper(tmp_path: Path, shell: list[str], recorded: str, rc: int, cause: str) -> None:
    said = _asked(tmp_path, shell, "offer", xml=_recorded(f"zypper/{recorded}"), rc=rc)
    with pytest.raises(FlotillaError) as refused:
        DRIVER.offer(_result("offer", "", 1, said.removeprefix("failed: ")), _state())
    assert refused.value.message.startswith(f"cannot ask {ASKED} for updates: ")
    assert cause in refused.value.message
    assert "Please check" not in refused.value.message


def test_offer_is_what_the_update_would_make(tmp_path: Path, shell: list[str]) -> None:
    xml = _recorded("zypper/made-up-product-and-kernel.xml")
    wanted = f"digest {_digest(THEN)}\nversion 20261122\n"
    for rc in (0, 100, 102, 103):
        assert _asked(tmp_path, shell, "offer", xml=xml, rc=rc) == wanted
    # In another order of the sections, and on one line.
    summary, end = xml.split("<to-remove>")
    removed, end = end.split("</to-remove>")
    first = summary.replace("<to-upgrade>", f"<to-remove>{removed}</to-remove><to-upgrade>", 1) + end
    assert _asked(tmp_path, shell, "offer", xml=first.replace("\n", " ")) == wanted


def test_nothing_to_do_is_what_runs(tmp_path: Path, shell: list[str]) -> None:
    xml = "<?xml version='1.0'?>\n<stream>\n<message type=\"info\">Nothing to do.</message>\n</stream>\n"
    assert _asked(tmp_path, shell, "offer", xml=xml) == f"digest {_digest(NOW)}\nversion -\n"


def test_no_offer_without_a_whole_answer(tmp_path: Path, shell: list[str]) -> None:
    xml = _recorded("zypper/made-up-product-and-kernel.xml")
    for cut in (0, 40, 400, 1800, len(xml) - 10):
        assert "it is cut off" in _asked(tmp_path, shell, "offer", xml=xml[:cut])
    for rc in (1, 4, 7, 104, 106):
        said = _asked(tmp_path, shell, "offer", xml='<stream><message type="error">Locked.</message></stream>', rc=rc)
        assert said.startswith("failed: Locked.")
        assert f"exited with {rc}" in said


# -- the next boot


def _made_default(folder: Path, shell: list[str], number: str, works: str) -> tuple[int, str]:
    """Make a snapshot the next boot where only the tool that `works` names does it; return exit code and default."""
    for name in ("12", "14"):
        (folder / "snapshots" / name / "snapshot").mkdir(parents=True)
    (folder / "default").write_text("12")
    set_it = f'printf %s "$number" >{folder}/default'
    tools = {
        "snapper": f"""for number; do :; done
        case "$1 {works}" in "--no-dbus snapper" | "modify daemon") {set_it} ;; *) exit 1 ;; esac""",
        "btrfs": f"""case "$2" in
          get-default) echo "ID 278 gen 8 top level 257 path @/.snapshots/$(cat {folder}/default)/snapshot" ;;
          *) number=${{3%/snapshot}}; number=${{number##*/}}; [ {works} != btrfs ] || {set_it} ;;
        esac""",
    }
    for name, script in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    functions = DRIVER.guard_functions().replace("/.snapshots/$1", f"{folder}/snapshots/$1")
    program = f'{functions}\nby_snapper() {{ snapper "$@"; }}\nmake_default {number}'
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run([*shell, "-c", program], env=environment, capture_output=True, check=False)
    return done.returncode, (folder / "default").read_text()


@pytest.mark.parametrize("works", ["daemon", "snapper", "btrfs"])
def test_next_boot_is_set_by_whoever_can(tmp_path: Path, shell: list[str], works: str) -> None:
    assert _made_default(tmp_path, shell, "14", works) == (0, "14")


def test_next_boot_that_is_not_set_is_an_error(tmp_path: Path, shell: list[str]) -> None:
    assert _made_default(tmp_path / "nobody", shell, "14", "nobody") == (1, "12")
    assert _made_default(tmp_path / "gone", shell, "13", "daemon") == (1, "12")
    assert _made_default(tmp_path / "same", shell, "12", "nobody") == (0, "12")


# -- the channel


def _followed(folder: Path, shell: list[str], wish: ChannelWish) -> dict[str, str]:
    (step,) = DRIVER.switch_channel(_state(), wish)
    script = step.script.replace("/etc/zypp/repos.d", str(folder))
    subprocess.run([*shell, "-c", script], check=True)
    return {path.name: path.read_text() for path in folder.iterdir()}


MIRROR = ChannelWish(name="mirror", source="https://mirror.example.org/oss/", verification=Verification.GPG)
FOLLOWED = "[mirror]\nname=mirror\nenabled=1\nautorefresh=1\nbaseurl=https://mirror.example.org/oss/\ngpgcheck=1\n"


def test_one_repository_is_followed_and_all_others_are_kept_disabled(tmp_path: Path, shell: list[str]) -> None:
    folder = tmp_path / "repos.d"
    folder.mkdir()
    (folder / "a.repo").write_text("[a]\nenabled=1\nbaseurl=https://a/\n\n[b]\nbaseurl=https://b/\n")
    (folder / "off.repo").write_text("[off]\nenabled=0\nbaseurl=https://off/\n")
    wanted = {
        "a.repo": "[a]\nenabled=0\nbaseurl=https://a/\n\n[b]\nbaseurl=https://b/\nenabled=0\n",
        "off.repo": "[off]\nenabled=0\nbaseurl=https://off/\n",
        "mirror.repo": FOLLOWED,
    }
    assert _followed(folder, shell, MIRROR) == wanted
    assert _followed(folder, shell, MIRROR) == wanted


def test_a_repository_that_is_there_keeps_what_else_it_says(tmp_path: Path, shell: list[str]) -> None:
    folder = tmp_path / "repos.d"
    folder.mkdir()
    (folder / "all.repo").write_text("[mirror]\nenabled=0\nbaseurl=https://old/\npriority=90\n[other]\nenabled=1\n")
    wanted = {"all.repo": "[other]\nenabled=0\n", "mirror.repo": f"{FOLLOWED}priority=90\n"}
    assert _followed(folder, shell, MIRROR) == wanted
    assert _followed(folder, shell, MIRROR) == wanted


def test_unverified_only_in_so_many_words(tmp_path: Path) -> None:
    wish = ChannelWish(name="m", source="mirrorlist=https://m/list", verification=Verification.NONE)
    text = _followed(tmp_path / "new", ["sh"], wish)["m.repo"]
    assert "mirrorlist=https://m/list\ngpgcheck=0\nrepo_gpgcheck=0\npkg_gpgcheck=0\n" in text
    assert DRIVER.channel_rules.verifications[0] is Verification.GPG
    assert not DRIVER.channel_rules.keys
    assert DRIVER.trusted_keys({}, Channel("m", OSS, Verification.GPG)) is None


@pytest.mark.parametrize(
    ("before", "wish", "cause"),
    [
        ("repo-oss", ChannelWish(name="a/b", source=OSS), "cannot follow repository 'a/b'"),
        ("a+b", ChannelWish(name="c", source=f"{OSS} https://b/"), r"a\+b are several; give source"),
        ("openSUSE:repo-oss", ChannelWish(name="c", source=OSS), "belongs to a service, which would bring it back"),
    ],
)
def test_what_cannot_be_followed(before: str, wish: ChannelWish, cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        DRIVER.switch_channel(_state(channel=Channel(before, OSS, Verification.GPG)), wish)
