# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapd driver: whose host it is, what is seen, what is refused, and its shell functions by real shells."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import (
    Candidate,
    ChannelWish,
    reason_for_lack,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.snapd import (
    CHANGES,
    HOLD,
    NAMED,
    NO_KERNEL,
    NOT_HERE,
    RECORDS,
    SETS,
    SNAPS,
    Snapd,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    Os,
    Position,
    UpdaterState,
    Verification,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.snapd import MODEENV, SnapSet

DRIVER = Snapd()
FOLDER = Path(__file__).parents[2] / "fixtures/snapd"
CASES = sorted(path.stem for path in (FOLDER / "cases").glob("*.json"))
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
OLD = SnapSet.parse("core24_1006+pc_196+pc-kernel_2488+snapd_23545")
NEW = SnapSet.parse("core24_1022+pc_196+pc-kernel_2489+snapd_24509")
CHANNEL = Channel("24/stable", "canonical/ubuntu-core-24-amd64", Verification.SIGN)


def _case(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"cases/{name}.json").read_text()))


def _sync(result: object) -> str:
    return json.dumps({"type": "sync", "status-code": 200, "status": "OK", "result": result})


def _marked(files: dict[str, str]) -> str:
    return "".join(f"\n{FILE_MARK}{path}\n{text}" for path, text in files.items())


def _results(case: dict[str, Any]) -> dict[str, Result]:
    """What the probes bring from the host of a case, in the layout of the recordings."""
    listed = [
        {"name": name, "revision": revision, "status": "active", "tracking-channel": case["tracking"].get(name)}
        for name, revision in case["active"].items()
    ]
    listed += [{"name": n, "revision": r, "status": "installed"} for n, r in (o.split("_") for o in case["others"])]
    changes = [dict(zip(("id", "kind", "summary", "status"), one, strict=True), ready=False) for one in case["changes"]]
    sets = [{"account-id": a, "name": n, "mode": "enforce", "pinned-at": p} for a, n, p in case["enforced"]]
    hold = {"refresh": {"retain": 3, **({"hold": case["hold"]} if case["hold"] else {})}}
    answers = {SNAPS: _sync(listed), CHANGES: _sync(changes), HOLD: _sync(hold), SETS: _sync(sets)}
    boot = {"kernel_status": case["kernel_status"] + "\n", MODEENV: case["modeenv"], NAMED: case["named"]}
    records = {f"{RECORDS}/{name}": f"{text}\n" for name, text in case["records"].items()}
    sums = "".join(f"{one}  /var/lib/snapd/snaps/{name}.snap\n" for name, one in case.get("sums", {}).items())
    seen = {**{path: text for path, text in boot.items() if text}, **records, "local_sums": sums, **answers}
    return {"snapd.host": Result("snapd.host", "sh", 0, _marked(seen))}


def _failed(text: str, rc: int, stderr: str = "") -> dict[str, Result]:
    return {"snapd.host": Result("snapd.host", "sh", rc, text, stderr)}


def _deployment(found: SnapSet, position: Position) -> Deployment:
    return Deployment(found.id, found.version, found.digest, None, position, verified=True)


def _state(**changes: Any) -> HostState:
    booted = _deployment(OLD, Position.BOOTED)
    return replace(HostState("snapd", Os(), "boot-0", booted, None, None, (booted,), CHANNEL), **changes)


# -- whose host it is, and what is seen


@pytest.mark.parametrize("name", CASES)
def test_hosts(name: str) -> None:
    case = _case(name)
    expected, results = case["expected"], _results(case)
    assert DRIVER.present(results)
    view = DRIVER.observe(results)
    assert (view.booted and view.booted.id) == expected["booted"]
    assert (view.staged and [view.staged.id, view.staged.position]) == expected["staged"]
    assert (view.rollback and view.rollback.id) == expected["rollback"]
    assert [one.id for one in view.deployments] == expected["order"]
    assert native(view.channel) == expected["channel"]
    assert view.busy == expected["busy"]
    assert native(DRIVER.updater(results)) == expected["updater"]
    for one in view.deployments:
        told = "+".join(f"{n}_{case.get('sums', {}).get(f'{n}_{r}', r)}" for n, r in SnapSet.parse(one.id).members)
        assert one.digest == hashlib.sha256(told.encode()).hexdigest()
        assert one.verified is (None if "_x" in one.id else True)


def test_no_other_driver_takes_the_host_nor_this_one_theirs() -> None:
    names = [driver.name for driver in DRIVERS]
    ours = _results(_case("fresh"))
    elsewhere = {step.name: Result(step.name, step.script, NOT_HERE) for driver in DRIVERS for step in driver.probes()}
    assert [driver.name for driver in DRIVERS if driver.present({**elsewhere, **ours})] == ["snapd"]
    assert not DRIVER.present(elsewhere)
    assert names.count("snapd") == 1


def test_probes_on_a_host_of_another_kind_end_at_once() -> None:
    if Path(MODEENV).exists():
        pytest.skip("this machine is an Ubuntu Core")
    for step in (*DRIVER.probes(), DRIVER.offer_probe()):
        assert subprocess.run(["sh", "-c", step.script], capture_output=True, check=False).returncode == NOT_HERE


def test_where_snapd_gives_no_answer_the_host_is_still_ours() -> None:
    failed = _failed("", 1, "curl: (7) Couldn't connect to server")
    assert DRIVER.present(failed)
    with pytest.raises(FlotillaError, match=r"cannot ask snapd what is installed: curl: \(7\)"):
        DRIVER.observe(failed)
    with pytest.raises(FlotillaError, match="it gave 1 answers of 4"):
        DRIVER.observe(_failed(_marked({SNAPS: _sync([])}), 0))


def test_a_local_snap_is_what_is_in_its_file() -> None:
    case = _case("classic-named")
    with pytest.raises(
        FlotillaError, match="cannot tell what acme-base_x4 is: the file of a local snap cannot be read"
    ):
        DRIVER.observe(_results({**case, "sums": {}}))
    elsewhere = {
        **case,
        "active": {"acme-base": "x9"},
        "others": [],
        "sums": {"acme-base_x9": case["sums"]["acme-base_x4"]},
    }
    (here, there) = (DRIVER.observe(_results(one)).booted for one in (case, elsewhere))
    assert here and there
    assert here.digest == there.digest


def test_what_boots_must_be_installed() -> None:
    case = _case("fresh")
    del case["active"]["pc-kernel"]
    with pytest.raises(CannotParse, match="pc-kernel, which /var/lib/snapd/modeenv names, is not active"):
        DRIVER.observe(_results(case))
    with pytest.raises(FlotillaError, match="cannot tell which kernel runs: error: no boot loader"):
        DRIVER.observe(_failed("", NO_KERNEL, "error: no boot loader"))
    case = _case("being-tried")
    for status, cause in (("", "has not marked this boot good yet"), ("tried", "kernel_status is 'tried'")):
        with pytest.raises(FlotillaError, match=f"cannot tell which kernel runs: .*{cause}"):
            DRIVER.observe(_results({**case, "kernel_status": status}))


def test_capabilities_and_what_is_lacking() -> None:
    can = ("boot_counting", "guard", "hold_updater", "rollback", "stage", "switch_channel")
    assert capabilities(DRIVER) == can
    assert "system.kernel.cmdline-append" in reason_for_lack(DRIVER, "kernel_arguments")


# -- what the store offers, and staging it


def _offered(answer: str, rc: int = 0, stderr: str = "") -> Any:
    return DRIVER.offer(Result("offer", "sh", rc, answer, stderr), _state())


def test_offer() -> None:
    found = [{"name": "core24", "revision": "1022"}, {"name": "htop", "revision": "9"}]
    wanted = SnapSet.parse("core24_1022+pc_196+pc-kernel_2488+snapd_23545")
    assert _offered(_sync(found)) == Candidate(wanted.digest, wanted.version)
    assert _offered(_sync([])).digest == OLD.digest
    with pytest.raises(FlotillaError, match="cannot ask the store for updates of 24/stable: .*persistent network"):
        _offered(json.dumps({"type": "error", "result": {"message": "persistent network error: x"}}))
    with pytest.raises(FlotillaError, match="cannot ask the store for updates of 24/stable: refused"):
        _offered("", 1, "refused")
    with pytest.raises(CannotParse, match="what snapd finds to refresh: not JSON"):
        _offered("{")


def test_stage_takes_the_digest_of_a_set_from_a_store() -> None:
    for digest in ("latest", "$(reboot)", OLD.id, "A" * 64):
        with pytest.raises(Refused, match="64 hexadecimal digits"):
            DRIVER.stage(_state(), digest, allow_downgrade=False)
    local = _deployment(SnapSet.parse("core24_x1+pc-kernel_1"), Position.BOOTED)
    with pytest.raises(Refused, match="core24_x1 pc-kernel_1 has a local snap, which no store knows; give a folder"):
        DRIVER.stage(_state(booted=local), NEW.digest, allow_downgrade=False)
    assert DRIVER.stage(_state(), NEW.digest, allow_downgrade=True).endswith(f"\nstage {NEW.digest} 1")


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        (f"flotilla: not_offered {NEW.id}", f"not what the store offers: that is {NEW.version} ({NEW.digest[:12]})"),
        ("flotilla: not_offered nonsense", "nonsense"),
        ("flotilla: download error: cannot fetch snap signatures/assertions: x", "its signature is not accepted"),
        ("flotilla: download error: write a: no space left on device", "the disk is full: no space left"),
        ("flotilla: download error: persistent network error: Get\n  x", "the store does not answer: persistent"),
        ('flotilla: failed error: snap "a" has "auto-refresh" change in progress', "snapd is busy"),
        ("flotilla: failed revision 3 is required by validation sets: a/b", "a validation set that is enforced"),
        ("downloading core24_1022\nflotilla: failed it is a full moon", "it is a full moon"),
        ("Killed", "Killed"),
    ],
)
def test_causes(log: str, meaning: str) -> None:
    assert meaning in str(DRIVER.explain(_state(), NEW.digest, log))


def test_unstage() -> None:
    staged = _deployment(NEW, Position.STAGED)
    assert DRIVER.unstage(_state(staged=staged)).script.endswith("\nunstage")
    with pytest.raises(Refused, match="reboots the host within a minute"):
        DRIVER.unstage(_state(staged=replace(staged, position=Position.PENDING)))
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())


def test_only_track_and_risk_are_a_channel() -> None:
    for name in ("stable", "24", "24/risky", "24/stable/fix/more", None):
        with pytest.raises(Refused, match="TRACK/RISK"):
            DRIVER.switch_channel(_state(), ChannelWish(name))
    (step,) = DRIVER.switch_channel(_state(), ChannelWish("24/edge/fix-1"))
    assert step.required
    assert step.script.endswith("\nfollow 24 edge/fix-1 && rm -f /var/lib/misc/flotilla/snapd/folder")
    assert DRIVER.trusted_keys({}, CHANNEL) is None


@pytest.mark.parametrize(
    ("hold", "record", "back", "command"),
    [
        (None, None, None, "unset system refresh.hold"),
        ("forever", "", UpdaterState.ACTIVE, "unset system refresh.hold"),
        ("forever", "2027-01-31T04:00:00Z", UpdaterState.ACTIVE, "set system refresh.hold=2027-01-31T04:00:00Z"),
        ("forever", "forever", UpdaterState.DISABLED, "set system refresh.hold=forever"),
    ],
)
def test_the_hold_is_given_back_as_it_was(
    hold: str | None, record: str | None, back: UpdaterState | None, command: str
) -> None:
    results = _results({**_case("fresh"), "hold": hold, "records": {} if record is None else {"hold": record}})
    assert DRIVER.handed_back(results) == back
    released = DRIVER.set_updater(results, UpdaterState.ACTIVE)
    assert released.script.startswith(f"snap {command} && rm -f ")
    disabled = DRIVER.set_updater(results, UpdaterState.DISABLED)
    assert disabled.script.startswith("snap set system refresh.hold=forever && rm -f ")
    held = DRIVER.set_updater(results, UpdaterState.HELD)
    assert f"keep hold {hold or chr(39) * 2}; }} && snap set system refresh.hold=forever" in held.script


# -- the functions on the host, by real shells


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's files, and a snap command that does what `snap.sh` says and notes its calls."""
    for folder in ("var/lib/snapd/snaps", "boot/grub", "snap", "bin", "etc/flotilla"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin/snap").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n. {tmp_path}/snap.sh\n')
    (tmp_path / "bin/snap").chmod(0o755)
    (tmp_path / "snap.sh").write_text("exit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("SNAPD_ROOT", str(tmp_path))
    return tmp_path


def _lay_out(root: Path, case: dict[str, Any]) -> None:
    for path, text in (("var/lib/snapd/modeenv", case["modeenv"]), ("etc/flotilla/snaps", case["named"])):
        if text:
            (root / path).write_text(text)
    (root / "boot/grub/grubenv").write_text(f"# GRUB Environment Block\nkernel_status={case['kernel_status']}\n")
    for name, revision in case["active"].items():
        (root / "snap" / name).mkdir()
        (root / "snap" / name / "current").symlink_to(revision)
        (root / f"var/lib/snapd/snaps/{name}_{revision}.snap").touch()
    for other in case["others"]:
        (root / f"var/lib/snapd/snaps/{other}.snap").touch()


def _shell(shell: list[str], *scripts: str) -> subprocess.CompletedProcess[str]:
    parts = [
        (Path(__file__).parents[4] / f"plugins/plugin_utils/_drivers/snapd_{name}.sh")
        for name in ("boot", *scripts[:-1])
    ]
    program = "\n".join([*(part.read_text() for part in parts), scripts[-1]])
    return subprocess.run([*shell, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("name", [name for name in CASES if name != "recover-mode"])
def test_the_guard_sees_what_the_controller_sees(root: Path, shell: list[str], name: str) -> None:
    case = _case(name)
    _lay_out(root, case)
    ask = 'echo "$(booted_id)"; echo "$(next_id)"; trying || echo at rest; ! counter_present || echo counts'
    done = _shell(shell, "guard", "counter", ask)
    lines = [case["expected"]["booted"], case["expected"]["next"]]
    tried = "=trying" in (case["modeenv"] or "") or case["kernel_status"] == "trying"
    lines += [] if tried else ["at rest"]
    lines += ["counts"] if case["modeenv"] else []
    assert done.stdout.splitlines() == lines, done.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_without_grub_the_boot_loader_is_asked_by_snap(root: Path, shell: list[str]) -> None:
    _lay_out(root, _case("being-tried"))
    (root / "boot/grub/grubenv").unlink()
    (root / "snap.sh").write_text("[ \"$*\" = 'debug boot-vars' ] && printf 'snap_mode=\\nkernel_status=trying\\n'\n")
    assert _shell(shell, "guard", "booted_id").stdout.strip() == NEW.id


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("others", "target", "call"),
    [
        (
            ["core24_1006", "pc-kernel_2488", "snapd_23545"],
            OLD.id,
            "install --no-wait --transaction=all-snaps {}/core24_1006.snap {}/pc-kernel_2488.snap {}/snapd_23545.snap",
        ),
        (["pc-kernel_2488"], NEW.id.replace("2489", "2488"), "revert --no-wait --revision=2488 pc-kernel"),
        (["core24_1006", "snapd_23545"], OLD.id, None),
        ([], NEW.id, None),
    ],
    ids=["all in one change", "one alone", "the kernel is gone", "it is so already"],
)
def test_the_way_back(root: Path, shell: list[str], others: list[str], target: str, call: str | None) -> None:
    _lay_out(root, {**_case("upgraded"), "others": others})
    modeenv, grub = root / "var/lib/snapd/modeenv", root / "boot/grub/grubenv"
    base, kernel = (dict(SnapSet.parse(target).members)[name] for name in ("core24", "pc-kernel"))
    (root / "snap.sh").write_text(
        f"case $1 in revert | install)\n"
        f"printf 'try_base=core24_{base}.snap\\nbase_status=try\\n' >>{modeenv}\n"
        f"sed -i 's/^current_kernels=.*/&,pc-kernel_{kernel}.snap/' {modeenv}; echo kernel_status=try >{grub}\n"
        f'[ "$1" = revert ] || ln -sfn 23545 {root}/snap/snapd/current\n'
        "echo a notice; echo 12 ;; tasks) cat <<X\n"
        f"{(FOLDER / 'cli/base_tasks_revert_done.stdout').read_text()}\nX\n;; esac\n"
    )
    done = _shell(shell, "guard", f"make_default {target} && next_id")
    calls = (root / "calls").read_text().splitlines() if (root / "calls").exists() else []
    acted = [one for one in calls if one.split()[0] in ("revert", "install")]
    if call is None:
        assert acted == []
        assert done.stdout.strip() == (target if target == NEW.id else "")
        assert done.returncode == (0 if target == NEW.id else 1)
        return
    assert (done.returncode, done.stdout.strip()) == (0, target), done.stderr
    assert acted == [call.format(*[root / "var/lib/snapd/snaps"] * 3)]
    assert (root / "var/lib/misc/flotilla/snapd/before").read_text() == f"{NEW.id}\n"
    assert (root / "var/lib/misc/flotilla/snapd/change").read_text() == "12\n"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_tables_of_every_version(root: Path, shell: list[str]) -> None:
    def prints(recording: str) -> None:
        (root / "snap.sh").write_text(f"cat {FOLDER}/cli/{recording}\n")

    prints("docs_refresh_list.txt")
    assert _shell(shell, "guard", "stage", "offers").stdout == "core 9584\nget-iplayer 250\nqt551 30\n"
    (root / "snap.sh").write_text("printf 'Name Version Rev Size Publisher Notes\\na 1 7 73MB b -\\n'\n")
    assert _shell(shell, "guard", "stage", "offers").stdout == "a 7\n"
    prints("refresh_list_none.stderr")
    assert _shell(shell, "guard", "stage", "offers").returncode == 1
    (root / "snap.sh").write_text(f"cat {FOLDER}/cli/refresh_list_none.stderr >&2\n")
    done = _shell(shell, "guard", "stage", "offers")
    assert (done.returncode, done.stdout) == (0, "")
    prints("base_list_tracking_changed.stdout")
    assert _shell(shell, "guard", "follow", "tracking acme-base").stdout == "latest/edge\n"
    prints("base_tasks_revert_done.stdout")
    assert _shell(shell, "guard", "working 1 || echo rests").stdout == "rests\n"
    prints("offline_tasks_doing_and_do.stdout")
    assert _shell(shell, "guard", "working 1 && keep change 1 && ! finished && echo works").stdout == "works\n"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_change_in_progress_is_waited_for(root: Path, shell: list[str]) -> None:
    (root / "snap.sh").write_text(
        f"[ -e {root}/second ] && echo 11 && exit; : >{root}/second; "
        f"cat {FOLDER}/cli/base_change_conflict_rc10.stderr >&2; exit 10\n"
    )
    assert _shell(shell, "guard", "ask_snapd revert acme-base").stdout == "11\n"
    (root / "snap.sh").write_text("echo 'error: no' >&2; exit 1\n")
    done = _shell(shell, "guard", "ask_snapd revert acme-base")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: no\n")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("way", ["curl", "snap", "nc"])
def test_snapd_is_asked_by_what_there_is(root: Path, shell: list[str], way: str) -> None:
    tools = {
        "curl": '#!/bin/sh\necho "curl $5 $6 $7"\n',
        "nc": "#!/bin/sh\nread -r line; printf 'HTTP/1.0 200 OK\\r\\nA: b\\r\\n\\r\\nnc %s' \"$line\"\n",
    }
    for name in ("sh", "tr", "sed", "echo", "printf", "cat", "sleep"):
        (root / "bin" / name).symlink_to(str(shutil.which(name)))
    old = f"cat {FOLDER}/cli/debug_api_unsupported_2.57.stderr >&2; exit 64\n"
    (root / "snap.sh").write_text('echo "snap $*"\n' if way == "snap" else old)
    if way in tools:
        (root / "bin" / way).write_text(tools[way])
        (root / "bin" / way).chmod(0o755)
    full = [str(shutil.which(shell[0])), *shell[1:]]
    script = f"PATH={root}/bin; ask /v2/changes"
    said = {
        "curl": f"curl --unix-socket {root}/run/snapd.socket http://localhost/v2/changes",
        "snap": "snap debug api /v2/changes",
        "nc": "nc GET /v2/changes HTTP/1.0",
    }
    done = _shell(full, "guard", "ask", script)
    assert done.stdout.strip() == f"{FILE_MARK}/v2/changes\n{said[way]}".strip(), done.stderr


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_activated_is_what_is_staged_and_nothing_else(root: Path, shell: list[str]) -> None:
    _lay_out(root, _case("fresh"))
    staged, modeenv = root / "var/lib/misc/flotilla/snapd/staged", root / "var/lib/snapd/modeenv"
    staged.mkdir(parents=True)
    target = OLD.id.replace("core24_1006", "core24_1022")
    for name, text in (("set", target), ("core24_1022.snap", "x"), ("core24_1022.assert", "x")):
        (staged / name).write_text(f"{text}\n")
    (root / "snap.sh").write_text(
        f"case $1 in install) printf 'try_base=core24_1022.snap\\nbase_status=try\\n' >>{modeenv}; echo 7 ;;\n"
        f"tasks) cat {FOLDER}/cli/base_tasks_revert_done.stdout ;; abort) [ ! -e {root}/late ] || exit 1; "
        f"sed -i '/^try_base=/d; /^base_status=/d' {modeenv} ;; esac\n"
    )
    other = _shell(shell, "guard", "stage", f"activate {NEW.id}")
    assert (other.returncode, other.stderr) == (1, "it is not staged any more\n")
    done = _shell(shell, "guard", "folder", "stage", f"activate {target} && next_id")
    assert (done.returncode, done.stdout.strip()) == (0, target), done.stderr
    calls = [one for one in (root / "calls").read_text().splitlines() if not one.startswith("tasks")]
    assert calls == [
        f"ack {staged}/core24_1022.assert",
        f"install --no-wait --transaction=all-snaps {staged}/core24_1022.snap",
    ]
    assert not staged.exists()
    # Activated, and not booted: the try has not been used up. With another next boot it has.
    armed = f"get() {{ echo {target}; }}; "
    assert _shell(shell, "guard", "counter", f"{armed}counter_spent").returncode == 1
    (root / "late").touch()
    assert _shell(shell, "guard", "stage", "take_back").returncode == 1
    (root / "late").unlink()
    text = modeenv.read_text()
    modeenv.write_text(text.replace("base_status=try\n", ""))
    assert _shell(shell, "guard", "counter", f"{armed}counter_spent").returncode == 0
    modeenv.write_text(text)
    assert _shell(shell, "guard", "stage", f"take_back && next_id = {OLD.id}").returncode == 0
    assert _shell(shell, "guard", "counter", f"{armed}counter_spent").returncode == 1


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_the_os_grants_one_try(root: Path, shell: list[str]) -> None:
    _lay_out(root, _case("being-tried"))
    assert _shell(shell, "guard", "counter", "counter_set 2 && counter_set 0").returncode == 0
    (root / "var/lib/snapd/modeenv").write_text(_case("upgraded")["modeenv"])
    (root / "boot/grub/grubenv").write_text("kernel_status=\n")
    done = _shell(shell, "guard", "counter", "counter_clear && ! counter_set 0 && echo nothing to take away")
    assert done.stdout == "nothing to take away\n"
