# SPDX-License-Identifier: GPL-3.0-or-later
"""The sysupdate driver: whose host it is, what is seen, what is offered, and why nothing was staged."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import (
    ChannelWish,
    LocksStaged,
    reason_for_lack,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.sysupdate import NOT_HERE, Sysupdate
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

RECORDED = Path(__file__).parents[2] / "fixtures/sysupdate"
DRIVER = Sysupdate()
SOURCE = "https://updates.example.org/os/"
HELD = NativeUpdater("systemd-sysupdate", UpdaterState.HELD)
UKI = f"[Source]\nType=url-file\nPath={SOURCE}\n[Target]\nPath=/EFI/Linux\nPathRelativeTo=boot\n"
SHA = "0c3d8775e35323858d1e1d38f06244c50de79238c6243ebc9b9af9b0bf72c8c3"


def _digest(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()


def _details(version: str, file: str | None, **flags: bool) -> str:
    contents = [{"type": "regular-file", "path": f"/boot/EFI/Linux/{file}"}] if file else []
    shown = {"available": False, "installed": True, "incomplete": False, "obsolete": False, **flags}
    return json.dumps({"version": version, "contents": contents, **shown})


def _results(
    *files: str, running: str = "1.0", following: str | None = None, marked: str = "", known: str = "", busy: str = ""
) -> dict[str, Result]:
    """A host with the entries of `files`, newest first: os_VERSION[+LEFT-DONE].efi."""
    versions = [file.removeprefix("os_").removesuffix(".efi").partition("+")[0] for file in files]
    details = [_details(version, file) for version, file in zip(versions, files, strict=True)]
    shown = {
        "running": f"{running}\n",
        "versions": "\n".join([json.dumps({"current": versions[0], "all": versions}), *details]),
        "loader": f"booted os_{running}.efi\nnext os_{following or running}.efi\n",
        "files": "".join(
            f"10 20 {_digest(version)} /boot/EFI/Linux/{file}\n" for version, file in zip(versions, files, strict=True)
        ),
        "known": known,
        "staged": marked,
        "settings": f"\n{FILE_MARK}/usr/lib/sysupdate.d/20-uki.transfer\n{UKI}",
        "keys": "",
        "busy": busy,
    }
    return {f"sysupdate.{name}": Result(f"sysupdate.{name}", "sh", 0, text) for name, text in shown.items()}


def _state(**changes: object) -> HostState:
    booted = Deployment("os_1.0.efi", "1.0", _digest("1.0"), None, Position.BOOTED)
    channel = Channel(None, SOURCE, Verification.GPG)
    found = {"booted": booted, "deployments": (booted,), "channel": channel, "native_updater": HELD, **changes}
    return HostState("sysupdate", Os(), "boot-0", **found)  # type: ignore[arg-type]


# -- whose host it is


def test_only_an_image_with_boot_entries_is_ours() -> None:
    assert DRIVER.present(_results("os_1.0.efi"))
    gone = {name: Result(name, "sh", NOT_HERE) for name in _results("os_1.0.efi")}
    assert not DRIVER.present(gone)


def test_neither_takes_the_hosts_of_another() -> None:
    ours = _results("os_1.0.efi")
    for other in DRIVERS:
        if other.name != DRIVER.name:
            theirs = {step.name: Result(step.name, "sh", 3) for step in other.probes()}
            assert DRIVER.present({**ours, **theirs})
            assert not other.present({**ours, **theirs}), other.name
    assert DRIVERS.index(next(one for one in DRIVERS if one.name == "sysupdate")) > DRIVERS.index(
        next(one for one in DRIVERS if isinstance(one, OSTree))
    )


def test_probes_on_a_host_of_another_kind_end_at_once_and_change_nothing() -> None:
    for step in DRIVER.probes():
        done = subprocess.run(["sh", "-c", step.script], capture_output=True, text=True, check=False)
        assert done.returncode == NOT_HERE, f"{step.name}: {done.stderr}"


def test_what_it_can_do() -> None:
    assert capabilities(DRIVER) == ("boot_counting", "guard", "hold_updater", "rollback", "stage", "switch_channel")
    assert isinstance(DRIVER, LocksStaged)
    assert "part of the version's boot entry" in reason_for_lack(DRIVER, "kernel_arguments")


# -- what is seen

WAY = tuple[str | None, str | None, str | None]


@pytest.mark.parametrize(
    ("files", "more", "seen"),
    [
        (("os_1.0.efi",), {}, ("1.0", None, None)),
        # Newer, and never marked good; whoever installed it, and whatever boots next.
        (("os_1.1+3-0.efi", "os_1.0.efi"), {}, ("1.0", "1.1", None)),
        (("os_1.1+3-0.efi", "os_1.0.efi"), {"following": "1.1"}, ("1.0", "1.1", None)),
        # It runs, and is on trial or good.
        (("os_1.1+2-1.efi", "os_1.0.efi"), {"running": "1.1"}, ("1.1", None, "1.0")),
        (("os_1.1.efi", "os_1.0.efi"), {"running": "1.1"}, ("1.1", None, "1.0")),
        # Gone back from it: good, or given up by the boot loader, which is no way anywhere.
        (("os_1.1.efi", "os_1.0.efi"), {}, ("1.0", None, "1.1")),
        (("os_1.1+0-3.efi", "os_1.0.efi"), {}, ("1.0", None, None)),
        # An older one with tries left was good before there was counting; we have marked what is staged.
        (("os_1.1.efi", "os_1.0+3-0.efi"), {"running": "1.1"}, ("1.1", None, "1.0")),
        (("os_1.1.efi", "os_1.0+3-0.efi"), {"running": "1.1", "marked": "os_1.0.efi\n"}, ("1.1", "1.0", None)),
        # The way back is the next older one, unless another one boots next.
        (("os_1.2.efi", "os_1.1.efi", "os_1.0.efi"), {"running": "1.1"}, ("1.1", None, "1.0")),
        # What runs is not what systemd-boot says it has chosen.
        (("os_1.1.efi", "os_1.0.efi"), {"running": "1.2"}, (None, None, None)),
    ],
)
def test_what_is_where(files: tuple[str, ...], more: dict[str, str], seen: WAY) -> None:
    view = DRIVER.observe(_results(*files, **more))
    assert tuple(one and one.version for one in (view.booted, view.staged, view.rollback)) == seen
    assert view.channel == Channel(None, SOURCE, Verification.GPG)


def test_what_boots_next_comes_first() -> None:
    view = DRIVER.observe(_results("os_1.1.efi", "os_1.0.efi", following="1.1"))
    assert [one.version for one in view.deployments] == ["1.1", "1.0"]
    assert view.staged is not None
    assert (view.staged.position, view.rollback) == (Position.PENDING, None)
    assert [one.version for one in DRIVER.observe(_results("os_1.1.efi", "os_1.0.efi")).deployments] == ["1.0", "1.1"]


def test_a_version_that_is_not_whole_is_nothing_to_boot() -> None:
    results = _results("os_1.1+3-0.efi", "os_1.0.efi")
    text = results["sysupdate.versions"].stdout.replace('"incomplete": false', '"incomplete": true', 1)
    view = DRIVER.observe({**results, "sysupdate.versions": Result("sysupdate.versions", "sh", 0, text)})
    assert view.staged is None


def test_digest_is_that_of_the_record_while_the_file_is_the_same() -> None:
    record = f"os_1.0.efi 10 20 {SHA} 1.0 gpg\n"
    booted = DRIVER.observe(_results("os_1.0.efi", known=record)).booted
    assert booted is not None
    assert (booted.digest, booted.verified) == (SHA, True)
    other = DRIVER.observe(_results("os_1.0.efi", known=record.replace(" 20 ", " 21 "))).booted
    assert other is not None
    assert (other.digest, other.verified) == (_digest("1.0"), None)


def test_a_file_that_was_not_read_and_is_not_known_is_refused() -> None:
    results = _results("os_1.0.efi")
    unread = Result("sysupdate.files", "sh", 0, "10 20 - /boot/EFI/Linux/os_1.0.efi\n")
    with pytest.raises(CannotParse, match=r"os_1\.0\.efi has no SHA-256"):
        DRIVER.observe({**results, "sysupdate.files": unread})


def test_sources_that_differ_are_no_channel() -> None:
    results = _results("os_1.0.efi")
    text = results["sysupdate.settings"].stdout
    text += f"\n{FILE_MARK}/etc/sysupdate.d/10-usr.transfer\n[Source]\nType=url-file\nPath=https://b/\n"
    changed = {**results, "sysupdate.settings": Result("sysupdate.settings", "sh", 0, text)}
    assert DRIVER.observe(changed).channel == Channel(None, None, Verification.GPG)
    with pytest.raises(Refused, match="have different sources"):
        DRIVER.switch_channel(_state(channel=Channel(None, None, Verification.GPG)), ChannelWish(source="https://c/"))


def test_only_what_changes_the_host_makes_it_busy() -> None:
    tool = "/usr/lib/systemd/systemd-sysupdate"
    assert DRIVER.observe(_results("os_1.0.efi", busy=f"{tool} --json=short list\n")).busy is None
    assert DRIVER.observe(_results("os_1.0.efi", busy=f"{tool} update \n")).busy == f"{tool} update is running"


# -- what is offered


def _offer(*names: str) -> Result:
    return Result("offer", "sh", 0, "".join((RECORDED / f"257.13-url/{name}.stdout").read_text() for name in names))


def test_offer() -> None:
    found = DRIVER.offer(_offer("url-list-json", "url-list-1.1-json"), _state())
    assert (found.version, found.digest) == ("1.1", SHA)


def test_offer_of_what_is_installed_is_the_deployment() -> None:
    found = DRIVER.offer(_offer("url-list-after-json", "url-list-1.0-after-json"), _state())
    assert (found.version, found.digest) == ("1.0", _digest("1.0"))


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        (_offer("url-list-json"), "no version is there"),
        (_offer("url-list-after-json", "url-list-1.0-after-json"), "no boot entry whose SHA-256 is known"),
        (Result("offer", "sh", 1, "", (RECORDED / "257.13-url/url-other-key.stderr").read_text()), "not accepted"),
        (Result("offer", "sh", 1, "", (RECORDED / "257.13/url-no-sums-404.stderr").read_text()), "does not have it"),
        (Result("offer", "sh", 1, "", (RECORDED / "262.1/url-unsigned.stderr").read_text()), "it needs libcurl"),
        (Result("offer", "sh", 1), "no answer"),
    ],
)
def test_no_offer(result: Result, cause: str) -> None:
    with pytest.raises(FlotillaError, match=f"cannot ask {SOURCE} for updates: .*{cause}"):
        DRIVER.offer(result, _state(deployments=()))


# -- staging


def test_stage_is_refused_while_the_native_updater_may_act() -> None:
    active = NativeUpdater("systemd-sysupdate", UpdaterState.ACTIVE)
    with pytest.raises(Refused, match="hold it with native_updater first"):
        DRIVER.stage(_state(native_updater=active), SHA, False)
    with pytest.raises(Refused, match="64 hexadecimal digits"):
        DRIVER.stage(_state(), "1.1", False)


def test_stage_names_the_version_of_what_is_installed() -> None:
    assert DRIVER.stage(_state(), SHA, False).endswith(f"stage {SHA} '' 0 gpg")
    assert DRIVER.stage(_state(), _digest("1.0"), True).endswith(f"stage {_digest('1.0')} 1.0 1 gpg")


@pytest.mark.parametrize(
    ("recording", "words", "cause"),
    [
        (
            "257.13-url/url-tampered-update.stderr",
            "update_failed",
            "it is not what the manifest says: DOWNLOAD INVALID",
        ),
        ("257.13-url/url-no-space.stderr", "update_failed", "cannot be written"),
        ("257.13-url/url-unsigned-json.stderr", "update_failed", "its manifest is not signed"),
        ("257.13/url-connection-refused.stderr", "update_failed", "does not answer as it should: Transfer failed"),
        ("257.13/update-missing.stderr", "update_failed", "Update '9.9' not found"),
        ("257.13/update-missing.stderr", "refused because", "because"),
        ("257.13/update-missing.stderr", "not_offered  1.1 (ab)", "it offers 1.1 (ab)"),
        ("257.13/update-missing.stderr", "not_offered", "it offers nothing"),
        ("257.13/update-missing.stderr", "took_nothing 1.1", "installed nothing of 1.1"),
        ("257.13/update-missing.stderr", "other_content 1.1", "replaced 1.1 meanwhile"),
    ],
)
def test_why_nothing_was_staged(recording: str, words: str, cause: str) -> None:
    log = (RECORDED / recording).read_text() + f"flotilla: {words}\n"
    assert cause in (DRIVER.explain(_state(), SHA, log) or "")


def test_a_log_without_a_word_of_ours() -> None:
    assert DRIVER.explain(_state(), SHA, "") is None
    assert DRIVER.explain(_state(), SHA, "boom\n") == "boom"


def test_nothing_to_unstage() -> None:
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())


# -- keys


def test_keys_are_ours_as_long_as_both_files_are_what_we_wrote() -> None:
    def asked(text: str) -> str | None:
        return DRIVER.trusted_keys(
            {"sysupdate.keys": Result("sysupdate.keys", "sh", 0, text)}, Channel(None, None, None)
        )

    assert asked("a b \na  /k.asc\nb  /ring\n") == "a"
    assert asked("a b \na  /k.asc\nc  /ring\n") is None
    assert asked("a b \na  /k.asc\n") is None
    assert asked("") is None


def test_switch_writes_keys_first() -> None:
    steps = DRIVER.switch_channel(
        _state(), ChannelWish(source="https://b/", verification=Verification.NONE, keys="BEGIN PGP PUBLIC KEY BLOCK")
    )
    assert [step.name for step in steps] == ["channel.keys", "channel.drop_ins"]
    assert "Verify=no" in steps[1].script
    assert all(step.required for step in steps)
