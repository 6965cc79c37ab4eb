# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of snaps in place of a store: what is followed and offered, and staging from one by real shells."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.snapd import Snapd
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    Os,
    Verification,
)

DRIVER = Snapd()
SOURCE = Path(__file__).parents[4] / "plugins/plugin_utils/_drivers"
FIXTURES = Path(__file__).parents[2] / "fixtures/snapd"
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
SIGN, NONE = Verification.SIGN, Verification.NONE
BOOTED = Deployment("acme-extra_x1+acme-os_x1", "acme-extra_1.0 acme-os_1.0", "d" * 64, None)
FOLLOWED = Channel("stable", "http://files.example.org", NONE)
STATE = HostState("snapd", Os(), "boot-0", BOOTED, None, None, (BOOTED,), FOLLOWED)


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# -- what is followed


def test_a_folder_is_followed_by_a_record_and_the_store_without_one() -> None:
    (step,) = DRIVER.switch_channel(STATE, ChannelWish("stable/1", "file:///srv/snaps", None, NONE))
    assert step.script.endswith("\nkeep folder 'file:///srv/snaps stable/1 none'")
    (step,) = DRIVER.switch_channel(STATE, ChannelWish("24/stable", "canonical/ubuntu-core-24-amd64", None, SIGN))
    assert step.script.endswith("\nfollow 24 stable && rm -f /var/lib/misc/flotilla/snapd/folder")
    assert step.required


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        (ChannelWish("24/stable", None, None, NONE), "what it gives is proven by assertions, always"),
        (ChannelWish("stable", "docker://example.org/snaps", None, NONE), "named by https://, http:// or file://"),
        (ChannelWish("stable", "mirrorlist=https://example.org", None, SIGN), "`store` leads back to the store"),
    ],
)
def test_what_cannot_be_followed(wish: ChannelWish, cause: str) -> None:
    with pytest.raises(Refused, match=cause):
        DRIVER.switch_channel(STATE, wish)


# -- what is offered


def _offer(text: str, rc: int = 0, stderr: str = "") -> Result:
    return Result("offer", "sh", rc, text, stderr)


def test_offer() -> None:
    listed = f"{'a' * 64}  acme-extra_1.0.snap\n{'b' * 64}  acme-os_2.0.snap\n"
    found = DRIVER.offer(_offer(listed), STATE)
    assert found.version == "acme-extra_1.0 acme-os_2.0"
    assert found.digest == _sum(f"acme-extra_{'a' * 64}+acme-os_{'b' * 64}")
    asked = "cannot ask http://files.example.org/stable for updates: "
    for result, cause in (
        (_offer("", 8), "it gave no answer .8."),
        (_offer("", 1, "wget: can't connect"), "wget: can't connect"),
        (_offer("<html>"), "cannot parse SHA256SUMS: a line"),
    ):
        with pytest.raises(FlotillaError, match=asked + cause):
            DRIVER.offer(result, STATE)


def test_causes() -> None:
    for log, meaning in (
        ("flotilla: not_offered acme-os_3", "not what http://files.example.org/stable offers: that is acme-os_3"),
        ("flotilla: ack error: cannot assert", "its signature is not accepted: error: cannot assert"),
        ("flotilla: download curl: (22) 404", "the folder does not answer as it should: curl: (22) 404"),
    ):
        assert meaning in str(DRIVER.explain(STATE, "0" * 64, log))
    assert "\nstage " in DRIVER.stage(STATE, "0" * 64, allow_downgrade=False)
    with pytest.raises(Refused, match="which no store knows; give a folder"):
        DRIVER.stage(replace(STATE, channel=Channel(None, None, SIGN)), "0" * 64, allow_downgrade=False)


# -- the functions on the host, by real shells


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with two local snaps that follows the folder tmp_path/files/stable, which has another acme-os."""
    for folder in ("var/lib/snapd/snaps", "etc/flotilla", "bin", "files/stable", "var/lib/misc/flotilla/snapd"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/flotilla/snaps").write_text("acme-os\nacme-extra\n")
    for name in ("acme-os", "acme-extra"):
        (tmp_path / "snap" / name).mkdir(parents=True)
        (tmp_path / "snap" / name / "current").symlink_to("x1")
        (tmp_path / f"var/lib/snapd/snaps/{name}_x1.snap").write_text(f"{name} 1.0")
    # One that was reverted from: its number is not given again as long as it is there.
    (tmp_path / "var/lib/snapd/snaps/acme-os_x9.snap").write_text("acme-os 0.9")
    (tmp_path / "bin/snap").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n. {tmp_path}/snap.sh\n')
    (tmp_path / "bin/snap").chmod(0o755)
    _fill(tmp_path, {"acme-os_2.0_amd64.snap": "acme-os 2.0", "acme-extra_1.0.snap": "acme-extra 1.0"}, "none")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("SNAPD_ROOT", str(tmp_path))
    return tmp_path


def _fill(root: Path, files: dict[str, str], verification: str) -> None:
    folder = root / "files/stable"
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "SHA256SUMS").write_text("".join(f"{_sum(text)}  ./{name}\n" for name, text in files.items()))
    (root / "var/lib/misc/flotilla/snapd/folder").write_text(f"file://{root}/files stable {verification}\n")


def _shell(shell: list[str], script: str) -> subprocess.CompletedProcess[str]:
    parts = [(SOURCE / f"snapd_{name}.sh").read_text() for name in ("boot", "local", "guard", "folder", "stage")]
    return subprocess.run([*shell, "-c", "\n".join([*parts, script])], capture_output=True, text=True, check=False)


WANTED = _sum(f"acme-extra_{_sum('acme-extra 1.0')}+acme-os_{_sum('acme-os 2.0')}")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_staged_and_activated_without_assertions(root: Path, shell: list[str]) -> None:
    sets = root / "var/lib/misc/flotilla/snapd"
    done = _shell(shell, f"stage {WANTED} 0")
    assert (done.returncode, done.stdout) == (0, "downloading acme-os_x10\n"), done.stderr
    assert (sets / "staged/set").read_text() == "acme-extra_x1+acme-os_x10\n"
    assert (sets / "staged/version").read_text() == "acme-extra_1.0 acme-os_2.0\n"
    assert (sets / "staged/acme-os_x10.snap").read_text() == "acme-os 2.0"
    sums = _shell(shell, "local_sums").stdout
    assert sorted(line.rpartition("/")[2] for line in sums.splitlines()) == [
        "acme-extra_x1.snap",
        "acme-os_x1.snap",
        "acme-os_x9.snap",
    ]
    assert not (root / "calls").exists()
    (root / "snap.sh").write_text(
        f"case $1 in install) ln -sfn x10 {root}/snap/acme-os/current; echo 7 ;;\n"
        f"revert) ln -sfn x1 {root}/snap/acme-os/current; touch {root}/reverted; echo 8 ;;\n"
        f"tasks) cat {FIXTURES}/cli/base_tasks_revert_done.stdout ;; esac\n"
    )
    done = _shell(shell, "activate acme-extra_x1+acme-os_x10 && booted_id")
    assert (done.returncode, done.stdout.strip()) == (0, "acme-extra_x1+acme-os_x10"), done.stderr
    calls = [one for one in (root / "calls").read_text().splitlines() if not one.startswith("tasks")]
    assert calls == [f"install --no-wait --transaction=all-snaps --dangerous {sets}/staged/acme-os_x10.snap"]
    assert not (sets / "staged").exists()
    # Not booted after all: where nothing waits for a reboot, it runs already, and is taken back by a revert.
    done = _shell(shell, "take_back && booted_id")
    assert (done.returncode, done.stdout.strip()) == (0, "acme-extra_x1+acme-os_x1"), done.stderr
    assert (root / "reverted").exists()
    assert not (sets / "activated").exists()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_the_folder_has_not_or_has_otherwise(root: Path, shell: list[str]) -> None:
    def says() -> str:
        done = _shell(shell, f"stage {WANTED} 0")
        assert done.returncode == 1
        assert not (root / "var/lib/misc/flotilla/snapd/staged").exists()
        return done.stdout.splitlines()[-1]

    folder = root / "files/stable"
    assert _shell(shell, f"stage {'0' * 64} 0").stdout == "flotilla: not_offered acme-extra_1.0 acme-os_2.0\n"
    (folder / "acme-os_2.0_amd64.snap").write_text("acme-os 2.1")
    assert says() == "flotilla: failed acme-os_2.0_amd64.snap is not what SHA256SUMS says that it is"
    (folder / "acme-os_2.0_amd64.snap").unlink()
    assert says().startswith("flotilla: download cat: ")
    (folder / "SHA256SUMS").write_text("")
    assert says() == "flotilla: failed SHA256SUMS names no file of acme-extra, or several"
    (folder / "SHA256SUMS").unlink()
    assert says().startswith("flotilla: no_answer cat: ")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_is_staged_is_activated_as_it_was_or_not_at_all(root: Path, shell: list[str]) -> None:
    assert _shell(shell, f"stage {WANTED} 0").returncode == 0
    activate = "activate acme-extra_x1+acme-os_x10"
    staged = root / "var/lib/misc/flotilla/snapd/staged/acme-os_x10.snap"
    staged.write_text("acme-os 2.1")
    assert _shell(shell, activate).returncode == 1
    staged.write_text("acme-os 2.0")
    (root / "var/lib/snapd/snaps/acme-os_x10.snap").write_text("acme-os 5.0")
    done = _shell(shell, activate)
    assert (done.returncode, done.stderr) == (
        1,
        "a local revision of acme-os was installed meanwhile: stage it again\n",
    )
    assert not (root / "calls").exists()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_snapd_brings_under_another_name_is_told_at_once(root: Path, shell: list[str]) -> None:
    assert _shell(shell, f"stage {WANTED} 0").returncode == 0
    (root / "snap.sh").write_text(
        f"case $1 in install) echo 7 ;; tasks) cat {FIXTURES}/cli/base_tasks_revert_done.stdout ;; esac\n"
    )
    done = _shell(shell, "activate acme-extra_x1+acme-os_x10")
    assert done.returncode == 1
    assert done.stderr == (
        "snapd did it, and the next boot is acme-extra_x1+acme-os_x1, not acme-extra_x1+acme-os_x10\n"
    )


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_with_assertions_snapd_is_asked_whether_it_trusts_them(root: Path, shell: list[str]) -> None:
    proof = "type: snap-revision\nsnap-revision: {}\n".format
    files = {"acme-os_12.snap": "acme-os 12", "acme-os_12.assert": proof(12), "acme-extra_3.snap": "acme-extra 3"}
    _fill(root, {**files, "acme-extra_3.assert": proof(3)}, "sign")
    stage = f"stage {_sum('acme-extra_3+acme-os_12')} 0"
    staged = root / "var/lib/misc/flotilla/snapd/staged"
    (root / "snap.sh").write_text("exit 0\n")
    done = _shell(shell, stage)
    assert (done.returncode, done.stdout) == (0, "downloading acme-extra_3\ndownloading acme-os_12\n"), done.stderr
    assert (staged / "set").read_text() == "acme-extra_3+acme-os_12\n"
    assert not (staged / "sums").exists()
    acked = [one.rpartition("/")[2] for one in (root / "calls").read_text().splitlines()]
    assert acked == ["acme-extra_3.assert", "acme-os_12.assert"]
    shutil.rmtree(staged)
    (root / "snap.sh").write_text("echo 'error: cannot assert: no matching public key' >&2; exit 1\n")
    assert "flotilla: ack error: cannot assert: no matching public key\n" in _shell(shell, stage).stdout
    _fill(root, {**files, "acme-extra_3.assert": proof(4)}, "sign")
    assert "failed acme-extra_3.assert is not that of acme-extra_3" in _shell(shell, stage).stdout
    _fill(root, {**files, "acme-extra_2.0.snap": "x"}, "sign")
    assert "SHA256SUMS names no file of acme-extra, or several" in _shell(shell, stage).stdout
    assert not staged.exists()


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_folder_is_read_by_what_there_is(root: Path, shell: list[str], tool: str) -> None:
    for name in ("sh", "tr", "sed", "echo", "printf", "cat"):
        (root / "bin" / name).symlink_to(str(shutil.which(name)))
    (root / "bin" / tool).write_text(f'#!/bin/sh\necho "{tool} $*"\n')
    (root / "bin" / tool).chmod(0o755)
    (root / "var/lib/misc/flotilla/snapd/folder").write_text("https://files.example.org/ stable none\n")
    full = [str(shutil.which(shell[0])), *shell[1:]]
    done = _shell(full, f"PATH={root}/bin; folder_sums")
    options = {"curl": "-fsSL --connect-timeout 20", "wget": "-q -O -"}
    assert done.stdout == f"{tool} {options[tool]} https://files.example.org/stable/SHA256SUMS\n", done.stderr
