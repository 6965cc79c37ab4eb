# SPDX-License-Identifier: GPL-3.0-or-later
"""The mode as a whole, for every situation in cases/mode: check mode first, then for real, then once more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.mode import ModeWish, set_mode
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.consent import Consent
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import MacMode, MacSystem

CASES = sorted((Path(__file__).parent / "cases" / "mode").glob("*.json"))
CONFIG = "etc/selinux/config"
SELINUX = {
    "sys/kernel/security/lsm": "capability,selinux",
    "sys/fs/selinux/class/file/index": "1",
    "sys/fs/selinux/enforce": "1",
    CONFIG: "SELINUX=enforcing\n",
}


def wish_of(words: dict[str, str]) -> ModeWish:
    return ModeWish(
        MacMode(words["mode"]),
        MacSystem(words["system"]) if "system" in words else None,
        Consent(words.get("reboot", "defer")),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_mode(path: Path, build: Callable[..., Any], apparmor: Callable[..., Any]) -> None:
    case = json.loads(path.read_text())
    host = build(case["tree"]) if "tree" in case else apparmor(case["loaded"], case["policy"])
    wish, root = wish_of(case["wish"]), str(host.root)
    before = host.files()
    if "refused" in case:
        with pytest.raises(Refused) as refused:
            set_mode(host, wish, check=False, root=root)
        assert case["refused"] in refused.value.message
        assert host.files() == before
        assert host.round_trips == 1
        return

    predicted = set_mode(host, wish, check=True, root=root)
    assert host.files() == before
    assert host.round_trips == 1

    done = set_mode(host, wish, check=False, root=root)
    shown = done.result(diff=True)
    assert (predicted.changed, done.changed) == (case["changed"], case["changed"])
    assert predicted.after == done.after
    assert shown["mac"]["mode"] == case["mode"]
    assert shown["reboot_required"] == case.get("reboot_required", False)
    assert case.get("says", "") in shown["msg"]
    assert ("diff" in shown) == case["changed"]
    assert host.round_trips == (3 if case["changed"] else 2)
    for name, mode in case.get("loaded_after", {}).items():
        assert host.loaded[name] == mode
    for name, text in case.get("files_after", {}).items():
        assert host.files()[f"etc/apparmor.d/{name}"] == text
    for name in case.get("files_gone", []):
        assert f"etc/apparmor.d/{name}" not in host.files()
    for name, text in case.get("tree_after", {}).items():
        assert (host.root / name).read_text() == text
        assert not (host.root / name).is_symlink()

    after = host.files()
    again = set_mode(host, wish, check=False, root=root)
    assert not again.changed
    assert again.returns["reboot_required"] == case.get("reboot_required", False)
    assert host.files() == after


def test_there_and_back(apparmor: Callable[..., Any], shell: tuple[str, ...]) -> None:
    host = apparmor({"a b": "unconfined", "web": "enforce"}, {"web": "profile web {\n}\n"})
    host.shell = shell
    before = host.files()
    for mode in (MacMode.PERMISSIVE, MacMode.ENFORCING):
        assert set_mode(host, ModeWish(mode), check=False, root=str(host.root)).changed
    assert host.files() == before
    assert host.loaded == {"a b": "unconfined", "web": "enforce"}


def test_profile_that_keeps_its_mode_is_no_success(apparmor: Callable[..., Any], tmp_path: Path) -> None:
    host = apparmor({"web": "enforce"}, {"web": "profile web {\n}\n"})
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "apparmor_parser"
    # It says that all is well and does nothing, as with a policy that is locked.
    tool.write_text('#!/bin/sh\ncase $1 in -N) sed -n "s/^profile \\([a-z]*\\) .*/\\1/p";; esac\n')
    tool.chmod(0o755)
    host.path = f"{tmp_path / 'bin'}:{host.path}"
    with pytest.raises(FlotillaError, match="the host still differs afterwards") as failed:
        set_mode(host, ModeWish(MacMode.PERMISSIVE), check=False, root=str(host.root))
    assert "mac" in failed.value.details


def test_parser_that_fails_shows_why(apparmor: Callable[..., Any]) -> None:
    host = apparmor({"web": "enforce"}, {"web": "profile web {\n}\n"})
    (host.root / "sys/kernel/security/apparmor/profiles").chmod(0o444)
    (host.root / "etc/apparmor.d/force-complain").write_text("not a directory")
    with pytest.raises(ToolFailed, match="cannot make tree permissive: "):
        set_mode(host, ModeWish(MacMode.PERMISSIVE), check=False, root=str(host.root))


@pytest.mark.parametrize("step", ["enforce", "config"])
def test_run_that_is_cut_off_is_made_up_for(build: Callable[..., Any], step: str) -> None:
    host = build(SELINUX)
    host.lose_after = step
    with pytest.raises(host.Lost):
        set_mode(host, ModeWish(MacMode.PERMISSIVE), check=False, root=str(host.root))
    # The kernel is asked first: where it refuses, the next boot is left alone too.
    assert host.files()[CONFIG] == f"SELINUX={'enforcing' if step == 'enforce' else 'permissive'}\n"
    host.lose_after = None
    outcome = set_mode(host, ModeWish(MacMode.PERMISSIVE), check=False, root=str(host.root))
    assert outcome.after == {"mode": MacMode.PERMISSIVE, "configured": "permissive"}


def test_without_apparmor_parser(apparmor: Callable[..., Any], tmp_path: Path) -> None:
    host = apparmor({"web": "enforce"}, {"web": "profile web {\n}\n"})
    (tmp_path / "bin").mkdir()
    for tool in ("cat", "grep", "tr"):
        (tmp_path / "bin" / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    host.path, host.shell = str(tmp_path / "bin"), ("/bin/sh",)
    with pytest.raises(Refused, match="apparmor_parser is not installed"):
        set_mode(host, ModeWish(MacMode.PERMISSIVE), check=False, root=str(host.root))


def test_reboot_is_left_to_whoever_can(build: Callable[..., Any]) -> None:
    host = build(SELINUX)

    def reboot(booting: Any) -> None:
        assert booting is host
        assert host.files()[CONFIG] == "SELINUX=disabled\n"
        (host.root / "sys/fs/selinux/enforce").unlink()
        (host.root / "proc/self/attr/current").write_text("kernel\0")

    wish = ModeWish(MacMode.DISABLED, reboot=Consent.ALLOW)
    outcome = set_mode(host, wish, check=False, reboot=reboot, root=str(host.root))
    assert outcome.changed
    assert outcome.returns["reboot_required"] is False
    assert outcome.after == {"mode": MacMode.DISABLED, "configured": "disabled"}


def test_reboot_that_did_not_help_is_no_success(build: Callable[..., Any]) -> None:
    host = build(SELINUX)
    wish = ModeWish(MacMode.DISABLED, reboot=Consent.ALLOW)
    with pytest.raises(FlotillaError, match="the host still differs afterwards"):
        set_mode(host, wish, check=False, reboot=lambda _host: None, root=str(host.root))
