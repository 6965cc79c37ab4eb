# SPDX-License-Identifier: GPL-3.0-or-later
"""RAUC: any image with two slots (or more) that are written whole, from signed bundles.

Identity. A digest is the hash of the bundle's manifest, which the signature covers and RAUC keeps with the slot; before
RAUC 1.11, which knows none, the SHA-256 of the image in the slot. What RAUC has not written (a slot as it came from the
factory) has the hash of its os-release.

RAUC follows nothing by itself: a channel is a record of ours, a bundle `NAME.raucb` under an address.

Facts of the tool: rauc/rauc src/ and docs/; docs/families/rauc.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import quote, write_file
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers.key_value import parse_key_values
from .._parsers.rauc import Seen, Slot, Status, parse_offer, parse_operation, parse_seen, parse_status
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._scripts import piece

CHANNEL = "/var/lib/flotilla/rauc/channel"
# On stdout and stderr beside the cause.
_NOISE = re.compile(
    r"\s*\d+% |installing$|idle$|Installing `|D-Bus error while installing |flotilla: |"
    r"rauc(?:-\w+)?-Message|Consider setting |[*<>] |\(process:"
)
CONFIGURATIONS = ("/etc/rauc/system.conf", "/run/rauc/system.conf", "/usr/lib/rauc/system.conf")


class Rauc:
    """The `rauc` driver."""

    name = "rauc"
    capabilities: tuple[str, ...] = ("guard", "stage")
    # The client of a hawkBit server; it installs and reboots by itself.
    updater_units: tuple[str, ...] = ("rauc-hawkbit-updater.service",)
    # Bundles are verified with the keyring that system.conf names: there is no way around it.
    channel_rules = ChannelRules(parts=("name", "source"), verifications=(Verification.SIGN,), keys=False)
    lacks: Mapping[str, str] = MappingProxyType(
        {
            "kernel_arguments": "they stand in the boot loader's own script, for all slots at once, so that no boot "
            "could be guarded"
        }
    )

    def probes(self) -> tuple[Step, ...]:
        # Without a slot that boots, it is a machine on which bundles are made.
        here = (
            f"command -v rauc >/dev/null 2>&1 && cat {' '.join(CONFIGURATIONS)} 2>/dev/null | grep -q '^bootname' "
            f"|| exit {NOT_HERE}; "
        )
        return (
            Step("rauc.seen", f"{_script('guard')}{here}seen"),
            Step("rauc.status", f"{here}rauc status --detailed --output-format=json-pretty"),
            Step(
                "rauc.operation",
                f"{here}busctl --json=short get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer Operation",
            ),
            Step("rauc.channel", f"{here}[ ! -f {CHANNEL} ] || cat {CHANNEL}"),
        )

    def present(self, results: Results) -> bool:
        # A service that does not answer is RAUC's all the same: that is an error to be told, not another mechanism.
        return results["rauc.seen"].rc not in (NOT_HERE, None)

    def observe(self, results: Results) -> View:
        status = parse_status(results["rauc.status"].proven("ask RAUC for its status").stdout)
        seen = parse_seen(results["rauc.seen"].proven("look at RAUC's slots").stdout)
        if None not in (status.booted, seen.running) and status.booted != seen.running:
            raise CannotParse(
                "the slot that runs", f"RAUC says {status.booted}, the kernel command line {seen.running}"
            )
        booted = next((_deployment(slot, seen, Position.BOOTED) for slot in status.slots if slot.booted), None)
        others = _others(status, seen)
        staged = next((one for one in others if one.position is not Position.ROLLBACK), None)
        rollback = next((one for one in others if one.position is Position.ROLLBACK), None)
        running = () if booted is None else (booted,)
        first = tuple(one for one in others if one is staged and one.id.partition(".")[0] == _first(status, seen))
        listed = (*first, *running, *(one for one in others if one not in first))
        return View(booted, staged, rollback, listed, _channel(results), _busy(results["rauc.operation"]))

    def offer_probe(self) -> Step:
        here = f"command -v rauc >/dev/null 2>&1 && [ -f {CHANNEL} ] || exit {NOT_HERE}\n"
        return Step("offer", f"{_script('guard')}{_script('stage')}{here}ask")

    def offer(self, result: Result, state: HostState) -> Candidate:
        bundle = _bundle(state)
        if not result.ok:
            raise FlotillaError(f"cannot ask {bundle}: {_cause(result.stderr) or f'rauc exited with {result.rc}'}")
        offered = parse_offer(result.stdout)
        known = next((one.digest for one in state.deployments if one.digest in offered.names), offered.names[0])
        return Candidate(known, offered.version)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        _bundle(state)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused(f"cannot stage {digest}: the hash of a bundle's manifest is 64 hexadecimal digits")
        return "\n".join((_script("guard"), _script("stage"), f"stage {digest} {int(allow_downgrade)}"))

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        bundle = _bundle(state)
        found = re.findall(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE)
        if not found:
            return tail(log, 3) or None
        kind, words = found[-1]
        if kind == "not_offered":
            return f"it is not what {bundle} is: that is {words}"
        if kind in ("no_answer", "install_failed"):
            return f"{bundle}: {_cause(log) or words}"
        return str(words)

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        slot = quote(state.staged.id.partition(".")[0])
        return Step("unstage", f"{_script('guard')}\n{_script('stage')}\nunstage {slot}", required=True)

    def guard_functions(self) -> str:
        return _script("guard")

    def counter_functions(self) -> str:
        return _script("counter")

    def release(self, state: HostState, target: Deployment) -> Step:
        """Where the boot loader counts, arming has done it already."""
        return Step(
            "release",
            f'{_script("guard")}\nreason=$(unfit); [ -z "$reason" ] || {{ echo "$reason" >&2; exit 1; }}\n'
            f'slot={quote(target.id.partition(".")[0])}; [ "$(next_slot)" = "$slot" ] || activate "$slot"',
            required=True,
        )

    def lock_again(self) -> str:
        return f'{_script("guard")}\nactivate "$(running_slot)"'

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        # What is left while it is on trial is left for good: no boot comes back to it.
        closed = ' && mark bad "$here"' if state.guard is not None else ""
        return Step(
            "roll_back",
            f'{_script("guard")}\nhere=$(running_slot) && make_default {quote(target.id)}{closed} && rm -f "$STAGED"',
            required=True,
        )

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        record = f"name={wish.name}\nsource={wish.source}\n"
        return (Step("channel.record", write_file(CHANNEL, record), required=True),)


def _script(name: str) -> str:
    return piece(f"rauc_{name}.sh")


def _first(status: Status, seen: Seen) -> str | None:
    """The bootname that the boot loader tries first. While a slot is on trial RAUC itself may not call it primary."""
    primary = next((slot.bootname for slot in status.slots if slot.name == status.primary), None)
    return seen.first or primary


def _others(status: Status, seen: Seen) -> tuple[Deployment, ...]:
    """What is in the slots that do not run, as far as it is known and can be booted, the newest first."""
    found = []
    since = max((slot.installed for slot in status.slots if slot.booted), default="")
    for slot in sorted(status.slots, key=lambda slot: slot.installed, reverse=True):
        deployment = None if slot.booted else _deployment(slot, seen, None)
        if deployment is None:
            continue
        comes_next = _first(status, seen) == slot.bootname and (slot.good is True or seen.first is None)
        if deployment.id == seen.staged:
            position = Position.STAGED
        elif comes_next:
            # Installed by somebody else, or put first again by a rollback that waits for its reboot.
            position = Position.STAGED if slot.installed > since else Position.PENDING
        elif slot.good is True:
            position = Position.ROLLBACK
        else:
            continue
        found.append(_deployment(slot, seen, position))
    return tuple(one for one in found if one is not None)


def _deployment(slot: Slot, seen: Seen, position: Position | None) -> Deployment | None:
    factory = seen.factory.get(slot.bootname)
    digest = slot.digest or seen.digests.get(slot.bootname)
    if digest is None:
        return None
    own = seen.version if slot.booted else (factory[1] if factory and factory[0] == digest else None)
    return Deployment(
        id=f"{slot.bootname}.{digest}",
        version=slot.version or own,
        digest=digest,
        origin=None,
        position=position,
        # RAUC writes nothing that it has not verified.
        verified=True if slot.digest else None,
    )


def _busy(result: Result) -> str | None:
    # Without busctl nobody can say; RAUC itself refuses to do two things at a time.
    operation = parse_operation(result.stdout) if result.ok else None
    return None if operation is None else f"rauc: {operation}"


def _channel(results: Results) -> Channel:
    said = parse_key_values(results["rauc.channel"].stdout)
    return Channel(said.get("name") or None, said.get("source") or None, Verification.SIGN)


def _bundle(state: HostState) -> str:
    channel = state.channel
    if channel is None or channel.name is None or channel.source is None:
        raise Refused("cannot ask for updates: no channel is set; set channel and source with update_channel")
    return f"{channel.source.rstrip('/')}/{channel.name}.raucb"


def _cause(said: str) -> str:
    """Return why RAUC failed, out of its noise: what it does, how far it is, and what its downloader sends."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not _NOISE.match(line)]
    # What its streaming part met, of which the last line says only that it does not respond.
    met = re.findall(r"request failed: (.+) \(retrying", said)
    causes = [*lines[-1:], *([f"({met[-1]})"] if met else [])]
    return re.sub(
        r"^(?:(?:LastError|Error|Installation error|Failed to contact rauc service): )+", "", " ".join(causes)
    )
