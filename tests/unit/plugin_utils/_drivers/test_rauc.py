# SPDX-License-Identifier: GPL-3.0-or-later
"""The RAUC driver: whose host it is, what is seen and offered, why nothing was staged, and its sh, run for real."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.rauc import NOT_HERE, Rauc
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    Guard,
    HostState,
    Os,
    Position,
    Verification,
)

RECORDED = Path(__file__).parents[2] / "fixtures/rauc"
DRIVER = Rauc()
FACTORY = "f" * 64
HASH = "c1231868d270562f2039defbc5b919480a17652c67db67acfac3f671077f08cd"
IMAGE = "e24cf12970875e009cbf7443f2415f63b2fa5126f213675c817805267ee96736"
CHANNEL = Channel("stable", "https://updates.example.org/board/", Verification.SIGN)
BUNDLE = "https://updates.example.org/board/stable.raucb"
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


def _read(name: str) -> str:
    return (RECORDED / name).read_text()


def _result(name: str, text: str, rc: int = 0) -> Result:
    return Result(f"rauc.{name}", "sh", rc, text)


def _results(status: str, running: str = "A", first: str = "A", staged: str = "", more: str = "") -> dict[str, Result]:
    seen = f"running={running}\nfirst={first}\nstaged={staged}\nversion=2026.10-1\nslot=A {FACTORY}\nslot=B \n{more}"
    shown = [
        _result("status", _read(f"status/{status}.json")),
        _result("operation", '{"type":"s","data":"idle"}\n'),
        _result("seen", seen),
        _result("channel", "name=stable\nsource=https://updates.example.org/board/\n"),
    ]
    return {one.name: one for one in shown}


def _state(**changes: object) -> HostState:
    booted = Deployment(f"A.{FACTORY}", "2026.10-1", FACTORY, None, Position.BOOTED)
    found = {"booted": booted, "deployments": (booted,), "channel": CHANNEL, **changes}
    return HostState("rauc", Os(), "boot-0", **found)  # type: ignore[arg-type]


# -- whose host it is


def test_only_a_host_with_slots_is_ours() -> None:
    assert DRIVER.present(_results("initial-1.13"))
    assert not DRIVER.present({"rauc.seen": Result("rauc.seen", "sh", NOT_HERE)})
    # Where RAUC has slots and gives no answer, nobody else takes the host: the cause is told.
    silent = {"rauc.status": _result("status", "", 1), "rauc.seen": _result("seen", "", 0)}
    assert DRIVER.present(silent)
    with pytest.raises(FlotillaError, match="cannot ask RAUC for its status"):
        DRIVER.observe(silent)


@pytest.mark.parametrize("configuration", [None, "[system]\ncompatible=x\n"])
def test_a_machine_that_only_makes_bundles_is_not_ours(tmp_path: Path, configuration: str | None) -> None:
    (tmp_path / "rauc").write_text("#!/bin/sh\necho never >&2\n")
    (tmp_path / "rauc").chmod(0o755)
    if configuration is not None:
        (tmp_path / "system.conf").write_text(configuration)
    for step in DRIVER.probes():
        script = step.script.replace("/etc/rauc/", f"{tmp_path}/")
        done = subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
        assert done.returncode == NOT_HERE


def test_no_other_driver_takes_its_hosts() -> None:
    gone = {step.name: Result(step.name, "sh", 1) for driver in DRIVERS for step in driver.probes()}
    shown = gone | {name: Result(name, "sh", 3) for name in gone} | _results("initial-1.13")
    assert [driver.name for driver in DRIVERS if driver.present(shown)] == ["rauc"]


def test_capabilities() -> None:
    expected = ("boot_counting", "guard", "hold_updater", "rollback", "stage", "switch_channel")
    assert capabilities(DRIVER) == expected
    assert "boot loader" in DRIVER.lacks["kernel_arguments"]


# -- what is seen


def test_as_it_came_from_the_factory() -> None:
    view = DRIVER.observe(_results("initial-1.13"))
    assert view.booted == Deployment(f"A.{FACTORY}", "2026.10-1", FACTORY, None, Position.BOOTED)
    assert (view.staged, view.rollback, view.deployments, view.channel) == (None, None, (view.booted,), CHANNEL)


def test_staged_by_us_is_behind_what_runs() -> None:
    view = DRIVER.observe(_results("a-active-1.13", staged=f"B.{HASH}"))
    assert view.staged == Deployment(f"B.{HASH}", "2026.11-1", HASH, None, Position.STAGED, verified=True)
    assert view.deployments == (view.booted, view.staged)
    # Another bundle than the one that we staged is not staged.
    view = DRIVER.observe(_results("a-active-1.13", staged=f"B.{FACTORY}"))
    assert (view.staged, view.rollback and view.rollback.position) == (None, Position.ROLLBACK)


def test_installed_by_somebody_else_comes_first() -> None:
    results = _results("after-install-1.13", first="B")
    results["rauc.status"] = _result("status", _read("status/after-install-1.13.json").replace('"bad"', '"good"'))
    view = DRIVER.observe(results)
    assert (view.staged and view.staged.position, view.deployments[0]) == (Position.STAGED, view.staged)


def test_what_the_boot_loader_does_not_take_is_no_deployment() -> None:
    assert DRIVER.observe(_results("after-install-1.13", first="A")).deployments[1:] == ()


def test_unknown_boot_loader_is_believed_through_rauc() -> None:
    # Shown as bad though it boots next: the recorded backend does not reset the state.
    view = DRIVER.observe(_results("after-install-1.13", running="", first=""))
    assert view.staged is not None
    assert (view.staged.digest, view.deployments[0]) == (HASH, view.staged)


def test_way_back_to_the_factorys_image() -> None:
    # On trial: the running slot has no try left, and comes first all the same.
    more = f"factory=A {FACTORY} 2026.10-1\n"
    view = DRIVER.observe(_results("booted-b-1.13", running="B", first="B", more=more))
    assert view.booted == Deployment(f"B.{HASH}", "2026.11-1", HASH, None, Position.BOOTED, verified=True)
    assert view.rollback == Deployment(f"A.{FACTORY}", "2026.10-1", FACTORY, None, Position.ROLLBACK)
    pending = DRIVER.observe(_results("booted-b-1.13", running="B", first="A", more=more))
    assert pending.staged is not None
    assert (pending.staged.position, pending.deployments[0]) == (Position.PENDING, pending.staged)


def test_before_1_11_a_digest_is_the_images() -> None:
    view = DRIVER.observe(_results("booted-b-1.8", running="B", first="B"))
    assert view.booted is not None
    assert view.booted.digest == "9a72023fca072d255aadd61917158ad5cac97d0f12581f59772293d7619d6b69"


def test_two_who_do_not_agree_on_what_runs() -> None:
    with pytest.raises(CannotParse, match="RAUC says A, the kernel command line B"):
        DRIVER.observe(_results("initial-1.13", running="B"))


def test_a_service_at_work_is_seen() -> None:
    results = _results("initial-1.13") | {"rauc.operation": _result("operation", '{"type":"s","data":"installing"}')}
    assert DRIVER.observe(results).busy == "rauc: installing"
    assert DRIVER.observe(results | {"rauc.operation": _result("operation", "", 1)}).busy is None


# -- what is offered


def _answer(name: str) -> Result:
    return Result("offer", "sh", 0, f"rootfs\n{_read(f'info/{name}')}")


def test_offer_is_the_manifests_hash() -> None:
    assert DRIVER.offer(_answer("plain-1.13.json"), _state()).digest == HASH
    # Unless the host knows that very bundle by its image, from an older RAUC.
    older = Deployment(f"A.{IMAGE}", "2026.11-1", IMAGE, None, Position.BOOTED)
    assert DRIVER.offer(_answer("plain-1.13.json"), _state(booted=older, deployments=(older,))).digest == IMAGE


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("refused", r"server not responding \(Failed to connect to 127.0.0.1 port 1 after 0 ms"),
        ("not-found", r"x.raucb: not found: unexpected HTTP error code 404$"),
        ("no-name", r"server not responding \(Could not resolve host: nowhere.invalid\)$"),
    ],
)
def test_source_that_does_not_answer(said: str, cause: str) -> None:
    answer = Result("offer", "sh", 1, "rootfs\n", _read(f"info/{said}.stderr"))
    with pytest.raises(FlotillaError, match=rf"cannot ask {BUNDLE}: Failed to stream bundle .*{cause}"):
        DRIVER.offer(answer, _state())


@pytest.mark.parametrize("channel", [None, Channel(None, None, Verification.SIGN)])
def test_a_host_that_follows_nothing_is_refused(channel: Channel | None) -> None:
    with pytest.raises(Refused, match="no channel is set; set channel and source with update_channel"):
        DRIVER.stage(_state(channel=channel), HASH, False)


def test_stage_wants_a_hash() -> None:
    assert DRIVER.stage(_state(), HASH, True).endswith(f"\nstage {HASH} 1")
    with pytest.raises(Refused, match="64 hexadecimal digits"):
        DRIVER.stage(_state(), "2026.11-1", False)


@pytest.mark.parametrize("version", ["1.8", "1.13", "1.15.2"])
@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("unknown-ca", "signature verification failed: Verify error: self-signed certificate"),
        ("wrong-compatible", "Compatible mismatch: Expected 'Example Board' but bundle manifest has 'Other Board'"),
        ("notabundle", "Invalid bundle format: Signature size (6072309344633695498) exceeds bundle size"),
        ("verity", "Failed mounting bundle: Failed to open /dev/mapper/control: No such file or directory"),
    ],
)
def test_cause_of_a_recorded_failure(log: str, cause: str, version: str) -> None:
    said = _read(f"install/{log}-{version}.stdout") + "Installing `/srv/x.raucb` failed\nflotilla: install_failed 1\n"
    assert DRIVER.explain(_state(), HASH, said) == f"{BUNDLE}: {cause}"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            "too-big",
            "Failed updating slot rootfs.1: Slot (218103808 bytes) is too small for image (226492416 bytes).",
        ),
        ("missing", ".raucb: not found: unexpected HTTP error code 404"),
        ("busy", "Already processing a different method"),
    ],
)
def test_cause_of_a_failure_on_a_real_machine(log: str, cause: str) -> None:
    said = DRIVER.explain(_state(), HASH, f"{_read(f'install/{log}-machine.log')}flotilla: install_failed 1\n")
    assert said is not None
    assert said.startswith(BUNDLE)
    assert said.endswith(cause)
    assert "error:" not in said


def test_success_that_left_nothing_behind() -> None:
    said = _read("install/plain-1.13.stdout") + "flotilla: install_failed it is in no slot\n"
    assert DRIVER.explain(_state(), HASH, said) == f"{BUNDLE}: it is in no slot"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("", None),
        ("killed", "killed"),
        ("flotilla: refused 1 is older than 2, which runs; allow_downgrade", "1 is older than 2, which runs"),
        ("flotilla: not_offered 2 (beef)", f"it is not what {BUNDLE} is: that is 2 (beef)"),
    ],
)
def test_other_causes(log: str, cause: str | None) -> None:
    assert (DRIVER.explain(_state(), HASH, log) or "").startswith(cause or "")
    assert (DRIVER.explain(_state(), HASH, log) is None) == (cause is None)


def test_unstage_needs_something_staged() -> None:
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())
    staged = Deployment(f"B.{HASH}", "2026.11-1", HASH, None, Position.STAGED)
    assert DRIVER.unstage(_state(staged=staged)).script.endswith("\nunstage B")


def test_what_is_left_on_trial_is_closed() -> None:
    target = Deployment(f"B.{HASH}", "2026.11-1", HASH, None, Position.ROLLBACK)
    guard = Guard(0, 1, "A", FACTORY, target.id, 600)
    assert "mark bad" not in DRIVER.roll_back(_state(), target).script.rpartition("}\n")[2]
    assert 'mark bad "$here"' in DRIVER.roll_back(_state(guard=guard), target).script.rpartition("}\n")[2]


def test_channel_is_a_record_of_ours(tmp_path: Path) -> None:
    (step,) = DRIVER.switch_channel(_state(), ChannelWish(name="beta", source="http://h/x"))
    subprocess.run(["sh", "-c", step.script.replace("/var/lib", str(tmp_path))], check=True)
    assert (tmp_path / "flotilla/rauc/channel").read_text() == "name=beta\nsource=http://h/x\n"
    assert DRIVER.trusted_keys({}, CHANNEL) is None


# -- the sh of the guard, on a host made of files, where RAUC's service does not answer

GRUBENV = {"ORDER": "A B", "A_OK": "1", "A_TRY": "1", "B_OK": "1", "B_TRY": "0"}
UBOOT = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "2", "BOOT_B_LEFT": "3"}
FW = """#!/bin/sh
case ${0##*/} in
  fw_printenv) grep "^$1=" "$STATE/uboot" ;;
  *) { grep -v "^$1=" "$STATE/uboot"; echo "$1=$2"; } >"$STATE/new"; mv "$STATE/new" "$STATE/uboot" ;;
esac
"""


class Host:
    """`loader`: grub or uboot. The slots are files; A runs."""

    def __init__(self, root: Path, loader: str, shell: list[str]) -> None:
        self.root, self.loader, self.shell = root, loader, shell
        for folder in ("bin", "data", "guard", "units"):
            (root / folder).mkdir()
        for name, text in (("rauc", "#!/bin/sh\nexit 1\n"), ("fw_printenv", FW), ("fw_setenv", FW)):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        (root / "bin/systemctl").write_text(f"#!/bin/sh\ncat {root}/fragment 2>/dev/null\n")
        (root / "bin/systemctl").chmod(0o755)
        for name in "ab":
            (root / name).touch()
        self.configure()
        self.cmdline("quiet rauc.slot=A")
        (root / "os-release").write_text("VERSION_ID=1\n")
        (root / "data/central.raucs").write_text(f"[slot.r.1]\nbundle.hash={HASH}\nsha256={IMAGE}\nstatus=ok\n")
        self.write(GRUBENV if loader == "grub" else UBOOT)
        self.mounts(f"/ ext4 {root}/a", f"{root}/units ext4 /dev/data", f"{root}/data ext4 /dev/data")

    def configure(self, **changes: str) -> None:
        said = {"bootloader": self.loader, "grubenv": f"{self.root}/grubenv", "data-directory": f"{self.root}/data"}
        system = "".join(f"{key}={value}\n" for key, value in {**said, **changes}.items() if value)
        slots = "".join(
            f"[slot.r.{n}]\ndevice = {self.root}/{name.lower()}\nbootname={name}\n" for n, name in enumerate("AB")
        )
        (self.root / "system.conf").write_text(f"[system]\n{system}\n{slots}[slot.x.0]\ndevice={self.root}/x\n")

    def cmdline(self, text: str) -> None:
        (self.root / "cmdline").write_text(f"{text}\n")

    def mounts(self, *lines: str) -> None:
        shown = [
            f"1 0 8:1 / {point} rw - {kind} {source} rw" for point, kind, source in (line.split() for line in lines)
        ]
        (self.root / "mounts").write_text("\n".join(shown) + "\n")

    def write(self, variables: dict[str, str]) -> None:
        text = "".join(f"{key}={value}\n" for key, value in variables.items())
        block = f"# GRUB Environment Block\n{text}"
        (self.root / "grubenv").write_text(block + "#" * (1024 - len(block)))
        (self.root / "uboot").write_text(text)

    @property
    def variables(self) -> dict[str, str]:
        text = (self.root / ("grubenv" if self.loader == "grub" else "uboot")).read_text()
        assert self.loader == "uboot" or len(text) == 1024
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        script = f"{DRIVER.guard_functions()}\n{DRIVER.counter_functions()}\n"
        for path, place in (
            ("/etc/rauc/system.conf", f"{self.root}/system.conf"),
            ("/var/lib/flotilla/rauc", f"{self.root}/ours"),
            ("/proc/self/mountinfo", f"{self.root}/mounts"),
            ("/proc/cmdline", f"{self.root}/cmdline"),
            ("/etc/os-release", f"{self.root}/os-release"),
            ("/etc/systemd/system /var/lib ", f"{self.root}/units {self.root}/data "),
            ('"$path" = /etc/systemd/system', f'"$path" = {self.root}/units'),
            ("/etc/fstab", f"{self.root}/fstab"),
        ):
            assert path in script
            script = script.replace(path, place)
        get = f'get() {{ sed -n "s/^$2=//p" "{self.root}/guard/$1" 2>/dev/null; }}\n'
        environment = {"PATH": f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "STATE": str(self.root)}
        return subprocess.run(
            [*self.shell, "-c", f"{script}{get}{command}"], env=environment, capture_output=True, text=True, check=False
        )

    def says(self, command: str) -> str:
        return self.run(command).stdout.strip()


@pytest.fixture(params=[(loader, shell) for loader in ("grub", "uboot") for shell in SHELLS], ids=str)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, *request.param)


def test_what_runs_and_what_comes_next(host: Host) -> None:
    booted = host.says("booted_id")
    assert booted.startswith("A.")
    assert len(booted) == 66
    assert host.says("slot_id B") == f"B.{HASH}"
    assert host.says("next_slot") == ("B" if host.loader == "grub" else "A")
    assert host.says("first_slot") == "A"
    host.cmdline(f"root={host.root}/b quiet")
    assert host.says("booted_id") == f"B.{HASH}"
    for text in ("root=/dev/nfs", "rauc.slot=C", f"root={host.root}/a rauc.external"):
        host.cmdline(text)
        assert host.run("booted_id").returncode != 0


def test_slot_that_is_being_written_has_no_name(host: Host) -> None:
    (host.root / "data/central.raucs").write_text(f"[slot.r.1]\nbundle.hash={HASH}\nstatus=update\n")
    assert host.run("slot_id B").returncode != 0
    assert host.run(f"make_default B.{HASH}").returncode != 0


def test_default_is_made_without_the_service(host: Host) -> None:
    assert host.run(f"make_default B.{HASH}").returncode == 0
    assert host.says("next_slot") == "B"
    assert {key: host.variables[key] for key in host.variables if "ORDER" in key}.popitem()[1] == "B A"
    assert host.run(f"make_default B.{FACTORY}").returncode != 0


def test_counting_from_arming_to_the_confirmation(host: Host) -> None:
    (host.root / "guard/armed").write_text(f"target=B.{HASH}\n")
    done = host.run("counter_set 2")
    assert done.returncode == 0, done.stderr
    assert host.says("next_slot") == "B"
    if host.loader == "grub":
        assert host.variables == {"ORDER": "B A", "A_OK": "1", "A_TRY": "0", "B_OK": "1", "B_TRY": "0"}
    else:
        assert host.variables == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "2"}
    assert host.run("counter_spent").returncode != 0
    # On its way there: nothing to clear.
    assert host.run("counter_clear").returncode == 0
    # It boots, and is confirmed.
    host.cmdline("rauc.slot=B")
    host.write({**host.variables, "B_TRY": "1"} if host.loader == "grub" else {**host.variables, "BOOT_B_LEFT": "1"})
    assert host.run("counter_clear").returncode == 0
    assert host.says("tries_left B") == ("1" if host.loader == "grub" else "3")
    assert host.says("tries_left A") != "0"


def test_tries_used_up_and_the_way_back(host: Host) -> None:
    (host.root / "guard/armed").write_text(f"target=B.{HASH}\n")
    (host.root / "ours").mkdir()
    (host.root / "ours/staged").write_text(f"B.{HASH}\n")
    assert host.run("counter_set 2").returncode == 0
    host.write(
        {**host.variables, "B_TRY": "1", "A_TRY": "1"}
        if host.loader == "grub"
        else {**host.variables, "BOOT_B_LEFT": "0"}
    )
    assert host.run("counter_spent").returncode == 0
    (host.root / "guard/fallback").write_text(f"target=B.{HASH}\n")
    assert host.run('make_default "$(booted_id)" && counter_clear').returncode == 0
    assert (host.says("next_slot"), host.says("tries_left B")) == ("A", "0")
    assert not (host.root / "ours/staged").exists()


def test_disarmed_before_the_boot_keeps_what_is_staged(host: Host) -> None:
    (host.root / "ours").mkdir()
    (host.root / "ours/staged").write_text(f"B.{HASH}\n")
    (host.root / "guard/armed").write_text(f"target=B.{HASH}\n")
    assert host.run('counter_set 2 && activate "$(running_slot)" && counter_clear').returncode == 0
    assert (host.says("next_slot"), host.says("bootable B && echo yes")) == ("A", "yes")
    assert (host.root / "ours/staged").exists()


def test_closed(host: Host) -> None:
    (host.root / "guard/armed").write_text(f"target=B.{HASH}\n")
    assert host.run("counter_set 0").returncode == 0
    assert host.says("tries_left B") == "0"


def test_fit_for_a_guard(host: Host) -> None:
    assert host.says("unfit") == ""


@pytest.mark.parametrize(
    ("mounts", "why"),
    [
        (("/ ext4 {root}/a",), "units belongs to the slot that runs"),
        (("/ ext4 {root}/a", "{root}/units ext4 {root}/b", "{root}/data ext4 /dev/data"), "units belongs to the slot"),
        (("/ ext4 {root}/a", "{root}/units tmpfs tmpfs", "{root}/data ext4 /dev/data"), "units is in memory"),
        (("/ ext4 {root}/a", "{root}/units ext4 /dev/data"), "data belongs to the slot"),
        (("/ overlay overlay",), ""),
    ],
)
def test_where_the_guard_would_be_lost(host: Host, mounts: tuple[str, ...], why: str) -> None:
    host.mounts(*(line.format(root=host.root) for line in mounts))
    assert why in host.says("unfit")
    assert (host.says("unfit") == "") == (why == "")


def test_units_that_systemd_mounts_itself_come_too_late(host: Host) -> None:
    (host.root / "fragment").write_text("/run/systemd/generator/etc-systemd-system.mount\n")
    assert "has read its units by then" in host.says("unfit")
    (host.root / "fstab").write_text(f"/data/units {host.root}/units none bind,x-initrd.mount 0 0\n")
    assert host.says("unfit") == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bootloader": "barebox"}, "bootloader=barebox is none whose variables are known here"),
        ({"data-directory": ""}, "inside the slot; set data-directory"),
        ({"statusfile": "per-slot"}, "inside the slot; set data-directory"),
    ],
)
def test_configuration_that_leaves_us_blind(host: Host, changes: dict[str, str], why: str) -> None:
    host.configure(**changes)
    assert why in host.says("unfit")
    (host.root / "guard/armed").write_text(f"target=B.{HASH}\n")
    refused = host.run("counter_set 2")
    assert refused.returncode != 0


def test_seen_is_what_the_parser_reads(host: Host) -> None:
    results = _results("a-active-1.13")
    shown = host.run("seen")
    assert shown.returncode == 0
    results["rauc.seen"] = Result("rauc.seen", "sh", 0, shown.stdout)
    view = DRIVER.observe(results)
    assert view.booted is not None
    assert (view.booted.version, view.booted.id) == ("1", host.says("booted_id"))
    assert json.loads(_read("status/a-active-1.13.json"))["booted"] == "A"


@pytest.mark.parametrize("shell", SHELLS, ids=str)
@pytest.mark.parametrize(
    ("new", "runs", "older"),
    [
        ("2026.11-1", "2026.12-1", True),
        ("2026.9-1", "2026.11-1", True),
        ("2026.11-1", "2026.11-1", False),
        ("2026.11-10", "2026.11-9", False),
        ("1.2.3", "1.10.0", True),
        ("1.10.0", "1.2.3", False),
        ("20261101", "20261123", True),
        # What cannot be compared is not.
        ("nightly", "2026.11-1", False),
        ("1.0", "v2.0", False),
        ("1.0", "", False),
    ],
)
def test_which_version_is_older(new: str, runs: str, older: bool, shell: list[str]) -> None:
    functions = DRIVER.stage(_state(), HASH, False).rpartition("\nstage ")[0]
    done = subprocess.run([*shell, "-c", f"{functions}\nolder '{new}' '{runs}'"], capture_output=True, check=False)
    assert (done.returncode == 0) == older


@pytest.mark.parametrize(
    ("record", "bundle"),
    [
        ("name=stable\nsource=https://h/board/\n", "https://h/board/stable.raucb"),
        ("name=x/y\nsource=file:///data/bundles\n", "/data/bundles/x/y.raucb"),
        ("name=stable\n", None),
        (None, None),
    ],
)
def test_where_the_bundle_is(tmp_path: Path, record: str | None, bundle: str | None) -> None:
    if record is not None:
        (tmp_path / "channel").write_text(record)
    functions = DRIVER.stage(_state(), HASH, False).rpartition("\nstage ")[0]
    functions = functions.replace("/var/lib/flotilla/rauc", str(tmp_path))
    done = subprocess.run(["sh", "-c", f"{functions}\nbundle"], capture_output=True, text=True, check=False)
    assert (done.stdout.strip() or None) == bundle
