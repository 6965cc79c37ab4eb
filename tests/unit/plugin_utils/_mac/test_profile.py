# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of profiles, for every situation in cases/profile: check mode first, then for real, then once more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.profile import (
    ProfileMode,
    ProfileWish,
    set_profile,
)

CASES = sorted((Path(__file__).parent / "cases" / "profile").glob("*.json"))
WEB = "profile web /usr/bin/web {\n  profile kid {\n  }\n}\n"
NEW = "profile web /usr/bin/web {\n  # it's more, $(than) `before`\n}\n"


def wish_of(words: dict[str, Any]) -> ProfileWish:
    return ProfileWish(
        "web",
        present=words.get("state", "present") == "present",
        mode=ProfileMode(words.get("mode", "enforce")),
        content=words.get("content"),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_profile(path: Path, build: Callable[..., Any], apparmor: Callable[..., Any]) -> None:
    case = json.loads(path.read_text())
    host = build(case["tree"]) if "tree" in case else apparmor(case["loaded"], case["policy"])
    wish, root = wish_of(case["wish"]), str(host.root)
    before = host.files()
    if "refused" in case:
        with pytest.raises(Refused) as refused:
            set_profile(host, wish, check=False, root=root)
        assert case["refused"] in refused.value.message
        assert (host.files(), host.round_trips) == (before, 1)
        return

    predicted = set_profile(host, wish, check=True, root=root)
    assert (host.files(), host.round_trips) == (before, 1)

    done = set_profile(host, wish, check=False, root=root)
    assert (predicted.changed, done.changed) == (case["changed"], case["changed"])
    assert predicted.after == done.after
    assert done.result(diff=False)["profiles"] == done.after["loaded"]
    assert host.round_trips == (3 if case["changed"] else 2)
    for name, mode in case.get("loaded_after", {}).items():
        assert host.loaded[name] == mode
    for name in case.get("loaded_gone", []):
        assert "tree" in case or name not in host.loaded
    for name, text in case.get("files_after", {}).items():
        assert host.files()[f"etc/apparmor.d/{name}"] == text
    for name in case.get("files_gone", []):
        assert f"etc/apparmor.d/{name}" not in host.files()
    assert not (host.root / "etc/apparmor.d/.flotilla").exists()

    after = host.files()
    assert not set_profile(host, wish, check=False, root=root).changed
    assert host.files() == after


@pytest.mark.parametrize("step", ["stage", "put.force-complain", "load", "place"])
def test_run_that_is_cut_off_is_made_up_for(apparmor: Callable[..., Any], step: str) -> None:
    host = apparmor({"web": "enforce", "web//kid": "enforce"}, {"web": WEB})
    wish = ProfileWish("web", mode=ProfileMode.COMPLAIN, content=NEW)
    host.lose_after = f"profile.{step}"
    with pytest.raises(host.Lost):
        set_profile(host, wish, check=False, root=str(host.root))
    # Until the last step the old text is in place, so that the next run sees that something is left to do.
    assert host.files()["etc/apparmor.d/web"] == (NEW if step == "place" else WEB)
    host.lose_after = None
    assert set_profile(host, wish, check=False, root=str(host.root)).changed is (step != "place")
    assert host.files()["etc/apparmor.d/web"] == NEW
    assert host.loaded["web"] == "complain"


@pytest.mark.parametrize("step", ["unload.0", "remove"])
def test_removal_that_is_cut_off_is_made_up_for(apparmor: Callable[..., Any], step: str) -> None:
    host = apparmor({"web": "enforce", "web//kid": "enforce"}, {"web": WEB})
    wish = ProfileWish("web", present=False)
    host.lose_after = f"profile.{step}"
    with pytest.raises(host.Lost):
        set_profile(host, wish, check=False, root=str(host.root))
    host.lose_after = None
    set_profile(host, wish, check=False, root=str(host.root))
    assert host.files() == {}
    assert host.loaded == {}


def test_in_every_shell(apparmor: Callable[..., Any], shell: tuple[str, ...]) -> None:
    host = apparmor({}, {})
    host.shell = shell
    root = str(host.root)
    for wish in (
        ProfileWish("web", content=NEW),
        ProfileWish("web", mode=ProfileMode.COMPLAIN),
        ProfileWish("web", mode=ProfileMode.DISABLED),
        ProfileWish("web", present=False),
    ):
        assert set_profile(host, wish, check=False, root=root).changed
    assert host.files() == {}


def test_profile_that_is_not_loaded_is_no_success(apparmor: Callable[..., Any], tmp_path: Path) -> None:
    host = apparmor({}, {})
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "apparmor_parser"
    # It says that all is well and loads nothing, as with a policy that is locked.
    tool.write_text("#!/bin/sh\ncase $1 in -N) echo web ;; esac\n")
    tool.chmod(0o755)
    host.path = f"{tmp_path / 'bin'}:{host.path}"
    with pytest.raises(FlotillaError, match="the kernel has none of its profiles afterwards"):
        set_profile(host, ProfileWish("web", content=WEB), check=False, root=str(host.root))


def test_load_that_fails_leaves_no_file_behind(apparmor: Callable[..., Any], tmp_path: Path) -> None:
    host = apparmor({"web": "enforce"}, {"web": WEB})
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "apparmor_parser"
    tool.write_text("#!/bin/sh\ncase $1 in -N) echo web ;; -r) echo 'no memory' >&2; exit 12 ;; esac\n")
    tool.chmod(0o755)
    host.path = f"{tmp_path / 'bin'}:{host.path}"
    before = host.files()
    with pytest.raises(ToolFailed, match="exited with 12: no memory"):
        set_profile(host, ProfileWish("web", content=NEW), check=False, root=str(host.root))
    assert host.files() == before
    assert not (host.root / "etc/apparmor.d/.flotilla").exists()


@pytest.mark.parametrize("name", ["../passwd", "a/b", ".hidden", "", "x.dpkg-new", "y.rpmsave", "README", "z~", "a b"])
def test_names_that_would_not_be_loaded_are_refused(apparmor: Callable[..., Any], name: str) -> None:
    host = apparmor({}, {})
    with pytest.raises(Refused, match="not a file name that apparmor_parser loads"):
        set_profile(host, ProfileWish(name, content=WEB), check=False, root=str(host.root))
    assert host.round_trips == 0
