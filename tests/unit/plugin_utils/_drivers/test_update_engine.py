# SPDX-License-Identifier: GPL-3.0-or-later
"""The update_engine driver: whose host it is, what is seen, what is offered, and why nothing was staged."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.update_engine import (
    NO_ENGINE,
    NOT_HERE,
    UpdateEngine,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    NativeUpdater,
    Os,
    Position,
    UpdaterState,
    Verification,
)

RECORDED = Path(__file__).parents[2] / "fixtures/update_engine"
DRIVER = UpdateEngine()
A, B = "a" * 64, "b" * 64
PAYLOAD = "1fbb57b61a6fc6b67748d5883bafca1bb1c8c5cd5ec74e0984e347ef3739ee4a"
SERVER = "https://public.update.flatcar-linux.net/v1/update/"
HELD = NativeUpdater("locksmithd", UpdaterState.HELD)


def _read(name: str) -> str:
    return (RECORDED / name).read_text()


def _result(name: str, text: str, rc: int = 0) -> Result:
    return Result(f"update_engine.{name}", "sh", rc, text)


def _results(table: str, device: str = "/dev/sda3", other: str = f"USR-B.{B}\n", known: str = "") -> dict[str, Result]:
    shown = [
        _result("running", f"{device}\n"),
        _result("slots", _read(f"cgpt/{table}")),
        _result("cmdline", f"mount.usrflags=ro verity.usrhash={A}\n"),
        _result("os", _read("settings/os-release.2026_quoted")),
        _result("status", "", NO_ENGINE),
        _result(
            "settings", f"\n{FILE_MARK}/usr/share/flatcar/update.conf\n{_read('settings/update.conf.image_default')}"
        ),
        _result("other", other),
        _result("known", known),
    ]
    return {one.name: one for one in shown}


def _state(**changes: object) -> HostState:
    booted = Deployment(f"USR-A.{A}", "4593.2.0", A, None, Position.BOOTED)
    channel = Channel("stable", SERVER, Verification.SIGN)
    found = {"booted": booted, "channel": channel, "native_updater": HELD, **changes}
    return HostState("update_engine", Os(), "boot-0", **found)  # type: ignore[arg-type]


# -- whose host it is


def test_only_a_host_with_slots_is_ours() -> None:
    assert DRIVER.present(_results("show_fresh_install.stdout"))
    gone = {name: Result(name, "sh", NOT_HERE) for name in _results("show_fresh_install.stdout")}
    assert not DRIVER.present(gone)
    # Booted from memory, or from something that is no partition.
    assert not DRIVER.present(_results("show_fresh_install.stdout", device="overlay"))


def test_neither_takes_the_hosts_of_the_other() -> None:
    ours = _results("show_fresh_install.stdout")
    theirs = {step.name: Result(step.name, "sh", NOT_HERE) for step in OSTree().probes()}
    assert DRIVER.present({**ours, **theirs})
    assert not OSTree().present({**ours, **theirs})


def test_probes_on_a_host_of_another_kind_end_at_once_and_change_nothing() -> None:
    for step in DRIVER.probes():
        done = subprocess.run(["sh", "-c", step.script], capture_output=True, text=True, check=False)
        assert done.returncode == NOT_HERE, f"{step.name}: {done.stderr}"


def test_what_it_can_do() -> None:
    assert capabilities(DRIVER) == ("boot_counting", "guard", "hold_updater", "rollback", "stage", "switch_channel")


# -- what is seen


@pytest.mark.parametrize(
    ("table", "device", "staged", "rollback"),
    [
        ("show_fresh_install.stdout", "/dev/sda3", None, None),
        ("show_staged_on_b.stdout", "/dev/sda3", (Position.STAGED, B), None),
        ("show_booted_b_not_yet_good.stdout", "/dev/sda4", None, (Position.ROLLBACK, B)),
        ("show_booted_b_good.stdout", "/dev/nvme0n1p4", None, (Position.ROLLBACK, B)),
        # Put first by hand, not booted yet; and after that boot, where the other one is the way back.
        ("show_manual_rollback_to_a.stdout", "/dev/sda4", (Position.PENDING, B), None),
        ("show_manual_rollback_to_a.stdout", "/dev/sda3", None, (Position.ROLLBACK, B)),
        # The boot loader gave the new one up: it is no way anywhere.
        ("show_booted_b_not_yet_good.stdout", "/dev/sda3", None, None),
    ],
)
def test_recorded_slots(
    table: str, device: str, staged: tuple[Position, str] | None, rollback: tuple[Position, str] | None
) -> None:
    label = "USR-B" if device.endswith("3") else "USR-A"
    view = DRIVER.observe(_results(table, device, other=f"{label}.{B}\n"))
    assert view.booted is not None
    assert (view.booted.digest, view.booted.version, view.booted.position) == (A, "4593.2.5", Position.BOOTED)
    assert (view.staged and (view.staged.position, view.staged.digest)) == staged
    assert (view.rollback and (view.rollback.position, view.rollback.digest)) == rollback
    assert len(view.deployments) == 1 + bool(staged) + bool(rollback)
    assert view.channel == Channel("stable", SERVER, Verification.SIGN)
    assert view.busy is None


def test_what_was_staged_by_us_is_called_by_its_payload() -> None:
    known = f"{B} {PAYLOAD} 4593.2.5\n{A} {A} 4593.2.0\n"
    view = DRIVER.observe(_results("show_staged_on_b.stdout", known=known))
    assert view.staged == Deployment(f"USR-B.{B}", "4593.2.5", PAYLOAD, None, Position.STAGED, verified=True)
    assert view.booted is not None
    assert (view.booted.digest, view.booted.verified) == (A, None)
    assert view.deployments[0] == view.staged


def test_without_a_root_hash_nothing_is_known_to_run() -> None:
    results = _results("show_fresh_install.stdout") | {"update_engine.cmdline": _result("cmdline", "quiet\n")}
    assert DRIVER.observe(results).booted is None


def test_next_boot_without_a_name_is_an_error() -> None:
    with pytest.raises(CannotParse, match="the kernel of USR-B: it boots next"):
        DRIVER.observe(_results("show_staged_on_b.stdout", other=""))


def test_table_without_a_slot_is_an_error() -> None:
    with pytest.raises(CannotParse, match="there is no partition USR-A"):
        DRIVER.observe(_results("show_i4_staged.stdout", device="/dev/sda4"))


@pytest.mark.parametrize(
    ("status", "busy"),
    [
        ("status_downloading_51pct.stdout", "update_engine: downloading 4593.2.5 (51%)"),
        ("status_dbus_denied_nulls.stdout", "update_engine gives no answer"),
        ("status_need_reboot.stdout", None),
    ],
)
def test_an_engine_at_work_is_seen(status: str, busy: str | None) -> None:
    results = _results("show_fresh_install.stdout")
    results["update_engine.status"] = _result("status", _read(f"status/{status}"))
    assert DRIVER.observe(results).busy == busy


def test_an_engine_that_cannot_be_asked_is_an_error() -> None:
    results = _results("show_fresh_install.stdout") | {"update_engine.status": _result("status", "", 1)}
    with pytest.raises(FlotillaError, match="cannot ask update_engine for its status"):
        DRIVER.observe(results)


# -- what the channel offers


def test_offer_is_the_payload() -> None:
    found = DRIVER.offer(_result("offer", _read("omaha/response_update.xml")), _state())
    assert (found.digest, found.version) == (PAYLOAD, "4593.2.5")


def test_no_update_means_what_runs() -> None:
    found = DRIVER.offer(_result("offer", _read("omaha/response_noupdate.xml")), _state())
    assert (found.digest, found.version) == (A, "4593.2.0")


def test_server_that_waits_for_the_reboot_means_what_is_staged() -> None:
    refusal = _read("omaha/response_error_internal.xml")
    waiting = refusal.replace("error-maxConcurrentUpdatesLimitReached", "error-updateInProgressOnInstance")
    staged = Deployment(f"USR-B.{B}", "4593.2.5", PAYLOAD, None, Position.STAGED)
    assert DRIVER.offer(_result("offer", waiting), _state(staged=staged)).digest == PAYLOAD
    with pytest.raises(FlotillaError, match="error-updateInProgressOnInstance"):
        DRIVER.offer(_result("offer", waiting), _state())


def test_refusal_of_the_server_is_told() -> None:
    with pytest.raises(FlotillaError, match=r"for group stable: it refuses with error-internal \(error-maxConcurrent"):
        DRIVER.offer(_result("offer", _read("omaha/response_error_internal.xml")), _state())


def test_server_that_is_away_is_told() -> None:
    with pytest.raises(FlotillaError, match=r"cannot ask https://\S+ for group stable: curl: \(7\)"):
        DRIVER.offer(Result("offer", "sh", 7, "", "curl: (7) Failed to connect"), _state())


@pytest.mark.parametrize("source", ["disabled", None])
def test_a_host_that_follows_no_server_is_refused(source: str | None) -> None:
    state = _state(channel=Channel("stable", source, Verification.SIGN))
    with pytest.raises(Refused, match="which is no address; set one with update_channel"):
        DRIVER.stage(state, PAYLOAD, False)


# -- staging


def test_nothing_is_staged_while_somebody_else_may_reboot() -> None:
    state = _state(native_updater=NativeUpdater("locksmithd", UpdaterState.ACTIVE))
    with pytest.raises(Refused, match="locksmithd is active, and reboots the host as soon as something is staged"):
        DRIVER.stage(state, PAYLOAD, False)


def test_stage_names_the_payload_as_the_server_does() -> None:
    script = DRIVER.stage(_state(), PAYLOAD, True)
    assert script.splitlines()[-1] == f"stage H7tXthpvxrZ3SNWIO6/KG7HIxc1ex04JhONH7zc57ko= {PAYLOAD} 1"
    with pytest.raises(Refused, match="64 hexadecimal digits"):
        DRIVER.stage(_state(), "4593.2.5", False)


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("flotilla: no_answer curl: (7) Failed", f"{SERVER} (group stable) does not answer: curl: (7) Failed"),
        ("flotilla: refused 1 is older than 2, which runs; allow_downgrade", "1 is older than 2, which runs"),
        ("x\nflotilla: engine_failed it ended as ", "update_engine took nothing from"),
        ("something else", "something else"),
    ],
)
def test_cause_of_a_failed_stage(log: str, cause: str) -> None:
    assert cause in str(DRIVER.explain(_state(), PAYLOAD, log))


def test_silence_has_no_cause() -> None:
    assert DRIVER.explain(_state(), PAYLOAD, "") is None


def test_cause_from_the_engines_own_log() -> None:
    log = _read("engine_log_postinst_failed.log") + "flotilla: engine_failed it ended as UPDATE_STATUS_IDLE\n"
    cause = DRIVER.explain(_state(), PAYLOAD, log)
    assert cause is not None
    assert cause.startswith(f"payload {PAYLOAD[:12]} from {SERVER} (group stable): the new version's own installer")
    assert "kActionCodePostinstallRunnerError, 5" in cause


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ("response_update.xml", f"it offers 4593.2.5 ({PAYLOAD[:12]})"),
        ("response_noupdate.xml", "it has no update for this host"),
        ("response_error_internal.xml", "it refuses with error-internal (error-maxConcurrentUpdatesLimitReached)"),
        ("response_event_ok.xml", "cannot parse the answer of the update server"),
    ],
)
def test_what_is_offered_instead_is_told(answer: str, cause: str) -> None:
    log = f"flotilla: not_offered {' '.join(_read(f'omaha/{answer}').split())}\n"
    assert cause in str(DRIVER.explain(_state(), "c" * 64, log))


# -- the channel


def _switched(folder: Path, wish: ChannelWish) -> str:
    (step,) = DRIVER.switch_channel(_state(), wish)
    script = step.script.replace("/etc/coreos", str(folder)).replace("/usr/share/flatcar/release", "/nowhere")
    subprocess.run(["sh", "-c", script], check=True)
    return (folder / "update.conf").read_text()


def test_switching_keeps_the_other_settings(tmp_path: Path) -> None:
    (tmp_path / "update.conf").write_text("GROUP=beta\nREBOOT_STRATEGY=off\nSERVER=disabled\n")
    wish = ChannelWish(name="stable", source="http://nebraska.example.org/v1/update/")
    wanted = "REBOOT_STRATEGY=off\nGROUP=stable\nSERVER=http://nebraska.example.org/v1/update/\n"
    assert _switched(tmp_path, wish) == wanted
    assert _switched(tmp_path, wish) == wanted


def test_switching_makes_the_file(tmp_path: Path) -> None:
    assert _switched(tmp_path / "new", ChannelWish(name="lts-2024")) == "GROUP=lts-2024\n"


def test_keys_cannot_be_given() -> None:
    assert not DRIVER.channel_rules.keys
    assert DRIVER.trusted_keys({}, Channel("stable", SERVER, Verification.SIGN)) is None


def test_unstage_needs_something_staged() -> None:
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())
    staged = Deployment(f"USR-B.{B}", "4593.2.5", PAYLOAD, None, Position.STAGED)
    assert DRIVER.unstage(_state(staged=staged)).script.endswith("\nunstage")


# -- the question


def _asked(**preferences: str) -> ElementTree.Element:
    """Return the request as `ask` would send it, on a host with these preferences of the engine."""
    known = "".join(f"{key}) printf %s {value} ;; " for key, value in preferences.items())
    program = f"""{DRIVER.offer_probe().script.removesuffix("ask")}
    setting() {{ case $1 in GROUP) echo stable ;; *) return 1 ;; esac; }}
    release() {{ case $1 in VERSION) echo 4593.2.5 ;; BOARD) echo amd64-usr ;; *) return 1 ;; esac; }}
    preference() {{ case $1 in {known} *) return 1 ;; esac; }}
    request"""
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
    return ElementTree.fromstring(done.stdout)


def test_question_is_put_as_the_engine_puts_it() -> None:
    recorded = ElementTree.fromstring(_read("omaha/request_updatecheck_later.xml"))
    asked = _asked()
    for path in (".", "os", "app", "app/updatecheck"):
        theirs, ours = recorded.find(path), asked.find(path)
        assert theirs is not None
        assert ours is not None
        assert set(ours.attrib) == set(theirs.attrib)
    app = asked.find("app")
    assert app is not None
    assert (app.get("appid"), app.get("track")) == ("{e96281a6-d1af-4bde-9a0a-97b76e56dc57}", "stable")
    # A ping would make the server count the host as seen by its own engine.
    assert app.find("ping") is None
    assert app.find("event") is None


def test_first_question_after_an_update_says_that_it_is_done() -> None:
    event = _asked(**{"previous-version": "4593.2.0"}).find("app/event")
    assert event is not None
    assert event.attrib == {"eventtype": "3", "eventresult": "2", "previousversion": "4593.2.0"}
    # The version that runs: the host went back, or has not booted what is staged. That is the engine's to tell.
    assert _asked(**{"previous-version": "4593.2.5"}).find("app/event") is None
