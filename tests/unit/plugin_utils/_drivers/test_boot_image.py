# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot_image driver: whose host it is, what is seen, and its sh run for real on a store made of files."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers import boot_image
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish, View
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.boot_image import NOT_HERE, BootImage
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._guard.render import undo
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import BOOT_SERVER, Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    FallbackCause,
    HostState,
    Os,
    Position,
    Verification,
)

DRIVER = BootImage()
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
CHANNEL = Channel("stable", "https://images.example.org", Verification.GPG)
WISH = ChannelWish("stable", "https://images.example.org", None, Verification.GPG, None)


# -- whose host it is


def test_probe_on_a_host_of_another_kind_ends_at_once() -> None:
    first, *others = DRIVER.probes()
    done = subprocess.run(["sh", "-c", first.script], capture_output=True, text=True, check=False)
    assert done.returncode == NOT_HERE
    assert first.on == ""
    assert {step.on for step in others} == {BOOT_SERVER}
    assert not DRIVER.present({first.name: Result(first.name, "", NOT_HERE)})


@pytest.mark.parametrize(
    ("files", "ours"),
    [
        ({"cmdline": f"quiet flotilla.image={'a' * 64}\n"}, True),
        ({"cmdline": f"flotilla.image={'a' * 64} quiet\n"}, True),
        ({"cmdline": "quiet xflotilla.image=1\n"}, False),
        ({"cmdline": "quiet\n", "ostree-live": ""}, True),
        ({"cmdline": "quiet\n", "noupdate": ""}, True),
        ({"cmdline": "quiet\n", "os-release": 'ID="boot2docker"\n', "mounts": "tmpfs / tmpfs rw 0 0\n"}, True),
        ({"cmdline": "quiet\n", "os-release": "ID=tinycore\n", "mounts": "rootfs / rootfs rw 0 0\n"}, True),
        # Installed to a disk.
        ({"cmdline": "quiet\n", "os-release": "ID=tinycore\n", "mounts": "/dev/sda1 / ext4 rw 0 0\n"}, False),
        ({"cmdline": "quiet\n", "os-release": "ID=tinycorelike\n", "mounts": "rootfs / rootfs rw 0 0\n"}, False),
        (
            {"cmdline": "ostree=/ostree/boot.1/x\n", "os-release": "ID=fedora\n", "mounts": "tmpfs / tmpfs rw 0 0\n"},
            False,
        ),
        ({}, False),
    ],
)
def test_ours_is_what_runs_from_memory(tmp_path: Path, files: dict[str, str], ours: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    script = DRIVER.probes()[0].script
    for path in ("/proc/cmdline", "/run/ostree-live", "/usr/.noupdate", "/etc/os-release", "/proc/mounts"):
        script = script.replace(path, str(tmp_path / path.rsplit("/", 1)[-1].lstrip(".")))
    for shell in SHELLS:
        done = subprocess.run([*shell, "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == ((0, files["cmdline"]) if ours else (NOT_HERE, ""))


def test_it_is_asked_before_what_may_be_in_a_live_image() -> None:
    asked = [driver.name for driver in DRIVERS]
    assert asked.index("boot_image") < min(map(asked.index, ("bootc", "rpm_ostree", "ostree", "update_engine")))
    assert capabilities(DRIVER) == ("guard", "rollback", "stage", "switch_channel")
    for word in ("kernel_arguments", "hold_updater"):
        assert word in DRIVER.lacks


def test_no_guard_is_put_on_the_host() -> None:
    with pytest.raises(Refused, match="it keeps nothing over a reboot"):
        DRIVER.guard_functions()
    assert undo(DRIVER) == ""


# -- a store made of files


class Server:
    """A boot server with a channel; `run` runs a step there."""

    def __init__(self, root: Path, shell: list[str]) -> None:
        self.root, self.shell, self.store = root, shell, root / "store"
        self.own = self.store / "hosts/h1"
        self.own.mkdir(parents=True)
        self.reset = f"touch {root}/reset"
        self.one, self.two = self.publish("one", "1", 100), self.publish("two", "2", 200)
        self.follow("one")
        self.stage(self.one, "one", "none")
        self.run(Step("point", f"{boot_image._script('store')}\npoint current {self.one}; rm $own/next"))
        self.follow("two")

    def publish(self, name: str, version: str, built: int, extra: str = "") -> str:
        folder = self.root / "images" / name
        folder.mkdir(parents=True)
        for file in ("k", "i"):
            (folder / file).write_text(f"{file} of {version}\n")
        sums = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in ("k", "i")}
        text = (
            f"version {version}\nbuilt {built}\ncmdline quiet x=1\nkernel {sums['k']} k\ninitrd {sums['i']} i\n{extra}"
        )
        (folder / "manifest").write_text(text)
        return hashlib.sha256(text.encode()).hexdigest()

    def follow(self, name: str, verification: Verification = Verification.NONE) -> None:
        wish = ChannelWish(name, f"file://{self.root}/images", None, verification, None)
        for step in DRIVER.switch_channel(self.state(), wish):
            self.run(step).proven("follow")

    def run(self, step: Step) -> Result:
        settings = f"FLOTILLA_STORE={self.store} FLOTILLA_HOST=h1 FLOTILLA_RESET='{self.reset}'\n"
        # Whatever runs this test: the boot server has no systemd.
        script = f"{settings}{step.script}".replace("/run/systemd/system", "/nonexistent")
        done = subprocess.run([*self.shell, "-c", script], capture_output=True, text=True, check=False, timeout=60)
        return Result(step.name, step.script, done.returncode, done.stdout, done.stderr)

    def stage(self, digest: str, name: str, how: str = "none", downgrade: bool = False) -> Result:
        channel = Channel(name, f"file://{self.root}/images", Verification(how))
        return self.run(Step("stage", DRIVER.stage(replace(self.state(), channel=channel), digest, downgrade)))

    def view(self, running: str | None = None, boot_id: str = "b0") -> View:
        line = f"quiet flotilla.image={running or self.one}\n"
        results = {step.name: self.run(step) for step in DRIVER.probes()[1:]}
        shown = {"boot_id": Result("boot_id", "", 0, boot_id), "boot_image.cmdline": Result("x", "", 0, line)}
        return DRIVER.observe({**results, **shown})

    def state(self) -> HostState:
        booted = Deployment(getattr(self, "one", "0"), "1", getattr(self, "one", "0"), None, Position.BOOTED)
        return HostState("boot_image", Os(), "b0", booted, channel=CHANNEL)

    def link(self, name: str) -> str | None:
        path = self.own / name
        return path.readlink().name if path.is_symlink() else None

    def arm(self, within: int = 3600) -> Result:
        target, back = (Deployment(one, None, one, None) for one in (self.two, self.one))
        return self.run(DRIVER.arm(target, back, within, "b0"))

    def deadline(self) -> subprocess.CompletedProcess[str]:
        """Let the guard's time be over."""
        argv = [*self.shell, str(self.own / "guard/guard.sh"), "expire"]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    def stop(self) -> None:
        pid = self.own / "guard/pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, request.param)
    yield made
    made.stop()


def test_what_is_seen(server: Server) -> None:
    view = server.view()
    assert view.booted == Deployment(server.one, "1", server.one, None, Position.BOOTED, verified=False)
    assert (view.staged, view.rollback, view.guard, view.unguarded, view.busy) == (None, None, None, None, None)
    assert view.channel == Channel("two", f"file://{server.root}/images", Verification.NONE)
    other = server.view(running="e" * 64)
    assert other.booted is not None
    assert (other.booted.version, other.booted.verified) == (None, None)
    assert other.staged is not None
    # What is next is not what runs: a reboot would change the host.
    assert (other.staged.digest, other.staged.position) == (server.one, Position.PENDING)
    assert "does not hold the set that runs" in (other.unguarded or "")


def test_stage_puts_a_whole_set_into_the_store_and_swaps_nothing(server: Server) -> None:
    done = server.stage(server.two, "two")
    assert done.ok, done.stdout
    assert (server.link("current"), server.link("next")) == (server.one, server.two)
    folder = server.store / "sets" / server.two
    assert (folder / "boot.cmdline").read_text() == f"quiet x=1 flotilla.image={server.two}\n"
    path = f"../../../sets/{server.two}"
    assert (folder / "boot.ipxe").read_text() == (
        f"#!ipxe\nkernel {path}/k initrd=i quiet x=1 flotilla.image={server.two}\ninitrd {path}/i\nboot\n"
    )
    assert not list((server.store / "work").iterdir())
    assert server.stage(server.two, "two").ok
    view = server.view()
    assert view.staged is not None
    assert view.staged.position is Position.STAGED
    assert server.run(DRIVER.unstage(replace(server.state(), staged=view.staged))).ok
    assert server.link("next") is None


def test_set_in_the_store_that_has_rotted_is_fetched_again(server: Server) -> None:
    server.stage(server.two, "two")
    image = server.store / "sets" / server.two / "i"
    image.chmod(0o644)
    image.write_text("rotten\n")
    assert server.stage(server.two, "two").ok
    assert image.read_text() == "i of 2\n"


def _spoil(server: Server, what: str) -> str:
    folder = server.root / "images/two"
    digest = server.two
    match what:
        case "sum":
            (folder / "i").write_text("other\n")
        case "fetch":
            (folder / "i").unlink()
        case "not_offered":
            (folder / "manifest").write_text("version 9\n")
        case "older":
            digest = server.publish("older", "0", 50)
        case "manifest":
            digest = server.publish("bad", "2", 300, "script rm\n")
        case "reserved":
            digest = server.publish("reserved", "2", 300, f"file {'a' * 64} boot.ipxe\n")
    return digest


@pytest.mark.parametrize(
    ("what", "name", "words"),
    [
        ("sum", "two", "i is not what the manifest says"),
        ("fetch", "two", "i cannot be fetched"),
        ("not_offered", "two", "what is offered is"),
        ("older", "older", "it was built before the set that runs"),
        ("manifest", "bad", "the manifest is not well formed"),
        ("reserved", "reserved", "the manifest is not well formed"),
    ],
)
def test_what_is_not_as_it_should_be_is_not_staged(server: Server, what: str, name: str, words: str) -> None:
    digest = _spoil(server, what)
    done = server.stage(digest, name)
    assert done.rc == 1
    assert words in (DRIVER.explain(server.state(), digest, done.stdout + done.stderr) or "")
    assert (server.link("current"), server.link("next")) == (server.one, None)
    assert not (server.store / "sets" / digest).exists()
    if what == "older":
        assert server.stage(digest, name, downgrade=True).ok


@pytest.mark.skipif(not (shutil.which("gpg") and shutil.which("gpgv")), reason="there is no GnuPG here")
def test_signatures(tmp_path: Path) -> None:
    server = Server(tmp_path, SHELLS[0])
    keys = {}
    for name in ("ours", "theirs"):
        home = tmp_path / name
        home.mkdir(mode=0o700)
        gpg = ["gpg", f"--homedir={home}", "--batch", "--yes", "--quiet"]
        make = [*gpg, "--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "never"]
        subprocess.run(make, check=True, capture_output=True)
        keys[name] = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
    manifest = tmp_path / "images/two/manifest"

    def staged(signer: str | None, trusted: str | None) -> str | None:
        (tmp_path / "images/two/manifest.sig").unlink(missing_ok=True)
        (server.own / "keys.asc").unlink(missing_ok=True)
        if signer:
            sign = ["gpg", f"--homedir={tmp_path / signer}", "--batch", "--detach-sign", str(manifest)]
            subprocess.run(sign, check=True, capture_output=True)
        if trusted:
            wish = replace(WISH, keys=keys[trusted])
            server.run(DRIVER.switch_channel(server.state(), wish)[0]).proven("trust")
            shown = server.run(DRIVER.probes()[1])
            told = DRIVER.trusted_keys({"boot_image.store": shown}, CHANNEL)
            assert told == hashlib.sha256(keys[trusted].encode()).hexdigest()
        done = server.stage(server.two, "two", "gpg")
        return None if done.ok else DRIVER.explain(server.state(), server.two, done.stderr + done.stdout)

    try:
        assert "no keys are trusted" in (staged("ours", None) or "")
        assert "is not signed" in (staged(None, "ours") or "")
        assert "is refused" in (staged("theirs", "ours") or "")
        assert server.link("next") is None
        assert staged("ours", "ours") is None
        assert (server.store / "sets" / server.two / "verified").read_text() == "gpg\n"
        # In the store already: all the same it is verified.
        assert "is refused" in (staged("ours", "theirs") or "")
    finally:
        for name in ("ours", "theirs"):
            subprocess.run(["gpgconf", f"--homedir={tmp_path / name}", "--kill", "gpg-agent"], check=False)


# -- the guard


def test_armed_swapped_confirmed(server: Server) -> None:
    server.stage(server.two, "two")
    assert server.arm().ok
    assert (server.link("current"), server.link("previous")) == (server.two, server.one)
    assert (server.own / "guard").stat().st_mode & 0o777 == 0o700
    waiting = server.view()
    assert waiting.guard is not None
    assert (waiting.guard.deadline, waiting.guard.rollback_to) == (None, server.one)
    assert waiting.staged is not None
    trial = server.view(server.two, "b1")
    assert trial.guard is not None
    assert trial.guard.deadline == trial.guard.armed_at + 3600
    assert trial.guard.covers == ("confirmation", "boot", "hang")
    assert trial.rollback is not None
    assert (trial.staged, trial.rollback.digest) == (None, server.one)
    wrong = server.run(DRIVER.confirm(server.one))
    assert (wrong.rc, "armed for" in wrong.stderr) == (76, True)
    assert server.run(DRIVER.confirm(server.two)).ok
    assert not (server.own / "guard").exists()
    assert (server.link("current"), server.link("next")) == (server.two, None)


def test_nobody_confirms(server: Server) -> None:
    server.stage(server.two, "two")
    server.arm()
    assert server.deadline().returncode == 0
    assert (server.link("current"), server.link("next")) == (server.one, None)
    assert (server.root / "reset").exists()
    seen = server.view()
    assert (seen.guard, seen.staged) == (None, None)
    assert seen.fallback is not None
    assert (seen.fallback.cause, seen.fallback.target) == (FallbackCause.NOT_CONFIRMED, server.two)
    assert "nobody confirmed it within 3600 s" in seen.fallback.evidence


def test_too_late_to_confirm(server: Server) -> None:
    server.stage(server.two, "two")
    server.arm()
    (server.own / "guard/lock").symlink_to("expire")
    late = server.run(DRIVER.confirm(server.two))
    assert late.rc == 75
    with pytest.raises(ToolFailed, match="the deadline has passed"):
        late.proven("confirm")


def test_swapped_back_and_then_cut_off_is_reset_all_the_same(server: Server) -> None:
    server.stage(server.two, "two")
    server.arm()
    # Killed between the swap and the reset.
    (server.own / "guard/expired").write_text("at=1\n")
    (server.own / "current").unlink()
    (server.own / "current").symlink_to(f"../../sets/{server.one}")
    assert server.deadline().returncode == 0
    assert (server.root / "reset").exists()
    assert server.view().guard is None


def test_called_off_before_it_was_booted(server: Server) -> None:
    server.stage(server.two, "two")
    server.arm()
    assert server.run(DRIVER.disarm()).ok
    assert (server.link("current"), server.link("next")) == (server.one, server.two)
    assert not (server.own / "guard").exists()
    assert server.run(DRIVER.disarm()).ok


def test_rolled_back_on_trial(server: Server) -> None:
    server.stage(server.two, "two")
    server.arm()
    booted = Deployment(server.two, "2", server.two, None, Position.BOOTED)
    target = Deployment(server.one, "1", server.one, None, Position.ROLLBACK)
    assert server.run(DRIVER.roll_back(replace(server.state(), booted=booted), target)).ok
    assert server.run(DRIVER.disarm()).ok
    assert (server.link("current"), server.link("previous"), server.link("next")) == (server.one, server.two, None)
    assert not (server.root / "reset").exists()
    assert server.deadline().returncode != 0  # it is gone


def test_without_a_way_to_reset_it_nothing_is_armed_unless_it_is_said(server: Server) -> None:
    server.stage(server.two, "two")
    server.reset = ""
    assert "flotilla_boot_reset" in (server.view().unguarded or "")
    assert not server.arm().ok
    assert server.link("current") == server.one
    server.reset = "none"
    assert server.view().unguarded is None
    assert server.arm().ok
    guard = server.view(server.two, "b1").guard
    assert guard is not None
    assert guard.covers == ()
    assert server.deadline().returncode == 0
    assert server.link("current") == server.one


def test_what_is_not_staged_is_not_armed(server: Server) -> None:
    refused = server.arm()
    assert not refused.ok
    assert "is not staged any more" in refused.stderr
    assert server.link("current") == server.one


# -- what is offered, and refusals


def test_offer(server: Server) -> None:
    offer = DRIVER.offer(server.run(DRIVER.offer_probe()), server.state())
    assert (offer.digest, offer.version) == (server.two, "2")
    (server.root / "images/two/manifest").unlink()
    with pytest.raises(FlotillaError, match="cannot ask https://images.example.org/stable for its image set: "):
        DRIVER.offer(server.run(DRIVER.offer_probe()), server.state())


def test_without_a_boot_server_it_is_seen_and_not_changed() -> None:
    results = {step.name: Result(step.name, "", None) for step in DRIVER.probes()}
    results["boot_image.cmdline"] = Result("x", "", 0, f"flotilla.image={'a' * 64}\n")
    results["boot_id"] = Result("boot_id", "", 0, "b0")
    view = DRIVER.observe(results)
    assert view.booted is not None
    assert (view.booted.digest, view.channel) == ("a" * 64, None)
    assert "set flotilla_boot_server" in (view.unguarded or "")
    with pytest.raises(Refused, match="the host follows no channel"):
        DRIVER.stage(HostState("boot_image", Os(), "b0"), "a" * 64, False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "docker://quay.io/x"}, "image sets come from"),
        ({"keys": "BEGIN PGP PUBLIC KEY BLOCK\nBEGIN PGP PUBLIC KEY BLOCK"}, "gpgv takes one block"),
    ],
)
def test_channel_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        DRIVER.switch_channel(HostState("boot_image", Os(), "b0"), replace(WISH, **changes))


def test_digest_that_is_none() -> None:
    with pytest.raises(Refused, match="64 hexadecimal digits"):
        DRIVER.stage(HostState("boot_image", Os(), "b0", channel=CHANNEL), "../x", False)
