# SPDX-License-Identifier: GPL-3.0-or-later
"""talos: Talos Linux, driven by `talosctl` on the controller.

A host has no shell: the connection plugin `flotilla.container_os.talos` runs our steps on the controller, with the
host's name in the environment. Two slots; the installer of a version writes the other one, and makes it the next boot.
What was installed over what is recorded in a META key of the host that Talos leaves to its users.

Facts of the tools: siderolabs/talos cmd/talosctl/cmd/talos/{upgrade,reboot,rollback,meta}.go, internal/app/lifecycle,
internal/app/machined/revert.go; docs/families.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import quote
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers.key_value import parse_os_release
from .._parsers.talos import (
    Installer,
    Record,
    parse_boot_id,
    parse_installer,
    parse_machine,
    parse_record,
    parse_schematic,
    parse_security,
    parse_version,
)
from ._protocol import Candidate, ChannelRules, ChannelWish, Identity, View
from ._scripts import piece

# The first version that installs without rebooting (talosctl, upgrade.go: talosUpgradeAPIVersionRange).
FIRST_STAGING = (1, 13, 0)

# What `explain` makes of the words of talosctl, the host's API and its installer.
_CAUSES = (
    (re.compile(r"already in progress|failed to acquire upgrade mutex"), "another installation is going on"),
    (re.compile(r"[Nn]o space left on device"), "its disk is full"),
    (re.compile(r"[Ss]ignature|verification"), "the image does not verify"),
    (re.compile(r"PermissionDenied|x509"), "the talosconfig gives no right to it"),
    (
        re.compile(r"dial tcp|failed to do request|i/o timeout|no such host|failed to resolve"),
        "the registry, or the host, does not answer",
    ),
)


class Talos:
    """The `talos` driver."""

    name = "talos"
    capabilities: tuple[str, ...] = ("stage",)
    # Whether an image must be signed is for the machine configuration to say (ImageVerificationConfig), not for us.
    channel_rules = ChannelRules(parts=("name", "source"), verifications=(Verification.NONE,), keys=False)
    lacks: Mapping[str, str] = {
        "hold_updater": "Talos never updates itself",
        "kernel_arguments": "Talos has them in its image (a schematic of the image factory); follow another one with "
        "update_channel",
    }
    no_guard = (
        "Talos has no place for a guard, as nothing but its own services starts at boot; it goes back by itself when "
        "its own start fails, not from a kernel that panics, and not from what comes up and is not confirmed"
    )
    # `talosctl rollback` is a reboot.
    rolls_back_at_once = True

    def probes(self) -> tuple[Step, ...]:
        return tuple(
            Step(f"talos.{name}", _on_host(script))
            for name, script in (
                ("boot_id", "boot_id"),
                ("version", "talos version --json"),
                ("extensions", "talos get extensions -o json"),
                ("machine", "talos get machinestatus -o json"),
                ("security", "talos get securitystate -o json"),
                ("cmdline", "talos read /proc/cmdline"),
                ("os", "talos read /etc/os-release"),
                ("image", "install_image"),
                ("record", "record"),
            )
        )

    def present(self, results: Results) -> bool:
        # By this connection there is no other host: the controller itself is never taken for one.
        return results["talos.boot_id"].rc != NOT_HERE

    def identity(self, results: Results) -> Identity:
        return Identity(
            os=parse_os_release(results["talos.os"].proven("read /etc/os-release of the host").stdout),
            mac=parse_security(results["talos.security"].proven("ask the host for its security state").stdout),
            boot_id=_boot_id(results),
            kernel_arguments=tuple(results["talos.cmdline"].proven("read the host's kernel arguments").text.split()),
        )

    def boot_id(self) -> str:
        return _on_host("boot_id")

    def uptime(self) -> str:
        return _on_host("uptime_of_host")

    def reboot(self) -> str:
        return _on_host("order_reboot")

    def observe(self, results: Results) -> View:
        tag = parse_version(results["talos.version"].proven("ask the host for its version").stdout)
        extensions = results["talos.extensions"].proven("ask the host for its extensions").stdout
        schematic = parse_schematic(extensions)
        runs = f"{tag}-{schematic}" if schematic else tag
        machine = parse_machine(results["talos.machine"].proven("ask the host for its state").stdout)
        record = parse_record(results["talos.record"].proven("read the host's META partition").stdout)
        booted = _deployment(runs, Position.BOOTED)
        staged, rollback = _others(runs, _boot_id(results), record)
        waits = "; ".join(machine.waits_for) or "it gives no reason"
        good = machine.stage == "running" and machine.ready
        return View(
            booted=booted,
            staged=staged,
            rollback=rollback,
            deployments=tuple(one for one in (staged, booted, rollback) if one is not None),
            channel=_channel(results["talos.image"].proven("read the machine configuration").text),
            busy=None if machine.stage in ("running", "booting") else f"the machine is {machine.stage}",
            unsettled=None
            if good
            else f"the machine is {machine.stage} and not ready ({waits}), so that Talos may still go back",
        )

    def offer_probe(self) -> Step:
        # What a host follows names its version: there is nobody to be asked.
        return Step("offer", _on_host("install_image"))

    def offer(self, result: Result, state: HostState) -> Candidate:
        text = result.proven("read the machine configuration").text
        if not text:
            raise FlotillaError(
                "cannot ask for updates: the machine configuration has no install.image; set one with update_channel"
            )
        installer = parse_installer(text)
        return Candidate(installer.name, installer.tag)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        installer = _followed(state)
        if installer.name != digest:
            raise Refused(
                f"cannot stage {digest}: {installer.source}:{installer.tag}, which the host follows, is "
                f"{installer.name}; follow the other one with update_channel first"
            )
        if state.booted is None:
            raise Refused(f"cannot stage {digest}: what runs is not known")
        if _order(state.booted.digest) < FIRST_STAGING:
            raise Refused(
                f"cannot stage {digest}: the host runs {state.booted.version}, and Talos before 1.13 installs and "
                "reboots in one"
            )
        if not allow_downgrade and _order(digest) < _order(state.booted.digest):
            raise Refused(
                f"cannot stage {digest}: it is older than {state.booted.version}, which runs; allow_downgrade"
            )
        image = f"{installer.source}:{installer.tag}"
        words = (image, state.booted.digest, digest, state.boot_id)
        return _on_host(f"stage {' '.join(map(quote, words))}")

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        said = " ".join(tail(re.sub(r"^flotilla: (no_record|not_installed) ?", "", log, flags=re.MULTILINE)).split())
        channel = state.channel
        image = f"{channel.source}:{channel.name}" if channel else digest
        for pattern, meaning in _CAUSES:
            if pattern.search(said):
                return f"installer {image}: {meaning}: {said}"
        return f"installer {image}: {said}" if said else None

    def unstage(self, state: HostState) -> Step:
        raise Refused(
            "cannot unstage: what Talos has installed is its next boot, and its only way back, a rollback, reboots"
        )

    def guard_functions(self) -> str:
        raise Refused(f"cannot arm a guard: {self.no_guard}")

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        if state.booted is None or state.rollback is None or target.id != state.rollback.id:
            raise Refused(f"cannot roll back to {target.digest}: Talos goes back one step, to what ran before")
        words = (target.digest, state.booted.digest, state.boot_id)
        return Step("roll_back", _on_host(f"go_back {' '.join(map(quote, words))}"), required=True)

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        image = f"{wish.source}:{wish.name}"
        try:
            parse_installer(image)
        except CannotParse as exc:
            raise Refused(f"cannot follow {image}: it names no version of Talos (REGISTRY/REPOSITORY, vX.Y.Z)") from exc
        patch = json.dumps({"machine": {"install": {"image": image}}})
        script = f"talos patch machineconfig --mode no-reboot --patch {quote(patch)}"
        return (Step("channel.image", _on_host(script), required=True),)


def _on_host(script: str) -> str:
    """Return sh that runs `script` with the functions of talos_host.sh, where the connection is to a Talos host."""
    # Without any comment: some shells look for quotes in them where all this stands in a substitution.
    functions = "\n".join(line.partition(" # ")[0] for line in piece("talos_host.sh").splitlines())
    return f'[ -n "$FLOTILLA_TALOS_NODE" ] || exit {NOT_HERE}\n{functions}\n{script}'


def _boot_id(results: Results) -> str:
    return parse_boot_id(results["talos.boot_id"].proven("read the host's boot id").stdout)


def _others(runs: str, boot_id: str, record: Record | None) -> tuple[Deployment | None, Deployment | None]:
    """Return (what is staged, the way back), by our record; one that does not have what runs is of another time."""
    if record is None:
        return None, None
    if record.done and record.boot_id == boot_id and record.before == runs:
        return _deployment(record.to, Position.STAGED), None
    if record.done and record.to == runs and record.before != runs and record.boot_id != boot_id:
        return None, _deployment(record.before, Position.ROLLBACK)
    return None, None


def _deployment(name: str, position: Position) -> Deployment:
    return Deployment(name, name.split("-")[0], name, None, position)


def _channel(image: str) -> Channel | None:
    if not image:
        return None
    try:
        installer = parse_installer(image)
    except CannotParse:
        # Somebody follows what is no version (a digest, a tag of their own): shown as it is, and refused when used.
        return Channel(None, image, Verification.NONE)
    return Channel(installer.tag, installer.source, Verification.NONE)


def _followed(state: HostState) -> Installer:
    channel = state.channel
    if channel is None or channel.source is None:
        raise Refused("cannot stage: the machine configuration has no install.image; set one with update_channel")
    return parse_installer(f"{channel.source}:{channel.name}" if channel.name else channel.source)


def _order(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removeprefix("v").partition("-")[0].split("."))
