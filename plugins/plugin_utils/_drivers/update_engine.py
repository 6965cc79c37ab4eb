# SPDX-License-Identifier: GPL-3.0-or-later
"""update_engine: Flatcar and CoreOS Container Linux, with two slots for /usr and an Omaha server that decides.

Identity. The root hash of dm-verity names what is in a slot, for both slots and without mounting anything. The server
knows no root hash: it offers the SHA-256 of a payload. So a digest is that SHA-256, and a record on the host, written
when the payload was staged, joins the two. What was not staged by us (an image as it was installed) has the root hash
for its digest.

Facts of the tools: flatcar/update_engine, flatcar/seismograph (cgpt, rootdev), flatcar/locksmith; docs/families.
"""

from __future__ import annotations

import base64
import re

from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import first_line, print_files, quote
from .._model.state import Channel, Deployment, HostState, Position, UpdaterState, Verification
from .._parsers.cgpt import SLOTS, Slot, parse_slots, preferred
from .._parsers.key_value import parse_os_release
from .._parsers.omaha import Answer, parse_answer
from .._parsers.update_engine import Known, parse_known, parse_root_hash, parse_settings, parse_status
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._scripts import piece

NO_ENGINE = 4
# In the order in which the engine asks them (omaha_request_params.cc).
SETTINGS = tuple(
    f"{folder}/{name}/{file}"
    for folder, file in (("/etc", "update.conf"), ("/usr/share", "update.conf"), ("/usr/share", "release"))
    for name in ("flatcar", "coreos")
)
KNOWN = "/var/lib/flotilla/update_engine/slots"
# Nebraska, when the host has staged its offer and not booted it yet.
IN_PROGRESS = "error-updateInProgressOnInstance"

# The kernel of the new version is copied before anything else, to a /boot of 128 MB on old installations.
_BOOT_FULL = re.compile(r"Failed to copy kernel from \S+ to (\S+)")
# What the engine's error codes mean (action_processor.h).
_CODES = {
    5: "the new version's own installer refused it (an extension or OEM part that it needs is missing)",
    9: "the download was broken off",
    10: "the payload is not the one that the server announced (SHA-256)",
    11: "the payload is not the one that the server announced (size)",
    12: "the payload cannot be read",
    18: "its signature is missing, or made by a key that the running image does not trust",
    37: "the server answers with an error of HTTP",
    40: "the engine waits after earlier failures",
}


class UpdateEngine:
    """The `update_engine` driver."""

    name = "update_engine"
    capabilities: tuple[str, ...] = ("guard", "stage")
    # locksmithd reboots as soon as something is staged; the engine stages whatever the server offers.
    updater_units: tuple[str, ...] = ("locksmithd.service", "update-engine.service")
    # Payloads are verified with a key inside the image: there is no way around it, and none to replace it.
    channel_rules = ChannelRules(parts=("name", "source"), verifications=(Verification.SIGN,), keys=False)

    def probes(self) -> tuple[Step, ...]:
        # A host that runs from memory has the engine too, and /usr/.noupdate: it is updated by booting another image.
        here = (
            "[ -e /usr/share/flatcar/release ] || [ -e /usr/share/coreos/release ] || "
            f"exit {NOT_HERE}; [ ! -e /usr/.noupdate ] && command -v update_engine_client >/dev/null && "
            f"command -v cgpt >/dev/null && command -v rootdev >/dev/null || exit {NOT_HERE}; "
        )
        return (
            Step("update_engine.running", here + "rootdev -s /usr"),
            Step("update_engine.slots", here + 'cgpt show "$(rootdev -s -d /usr)"'),
            Step("update_engine.cmdline", here + first_line("/proc/cmdline")),
            Step("update_engine.os", here + "cat /usr/lib/os-release"),
            # The client waits half a minute for an engine that is not there; the bus knows at once.
            Step(
                "update_engine.status",
                here + "busctl list --acquired --no-legend 2>/dev/null | grep -q '^com\\.coreos\\.update1 ' "
                f"|| exit {NO_ENGINE}; update_engine_client -status",
            ),
            Step("update_engine.settings", here + print_files(*SETTINGS)),
            Step("update_engine.other", f'{_script("guard")}{here}slot_id "$(other_slot "$(running_slot)")" || :'),
            Step("update_engine.known", here + f"[ ! -f {KNOWN} ] || cat {KNOWN}"),
        )

    def present(self, results: Results) -> bool:
        running = results["update_engine.running"]
        return running.ok and running.text.startswith("/dev/")

    def observe(self, results: Results) -> View:
        slots = parse_slots(results["update_engine.slots"].proven("read the partition table").stdout)
        missing = [label for label in SLOTS if label not in slots]
        if missing:
            raise CannotParse("the output of `cgpt show`", f"there is no partition {missing[0]}")
        running = _running(results["update_engine.running"].text, slots)
        other = next(slot for slot in slots.values() if slot is not running)
        first = preferred(slots)
        known = parse_known(results["update_engine.known"].stdout)
        root_hash = parse_root_hash(results["update_engine.cmdline"].stdout)
        booted = staged = rollback = None
        if root_hash is not None:
            version = parse_os_release(results["update_engine.os"].stdout).version_id
            booted = _deployment(running, root_hash, known, Position.BOOTED, version)
        found = results["update_engine.other"].text.rpartition(".")[2]
        if other.bootable and found:
            position = _position(other, first)
            there = _deployment(other, found, known, position, None)
            staged = there if position is not Position.ROLLBACK else None
            rollback = there if position is Position.ROLLBACK else None
        elif other.bootable and first is other:
            raise CannotParse(f"the kernel of {other.label}", "it boots next, and carries no root hash of /usr")
        order = (staged or rollback, booted) if first is other else (booted, staged or rollback)
        listed = tuple(one for one in order if one is not None)
        return View(booted, staged, rollback, listed, _channel(results), self._busy(results))

    @staticmethod
    def _busy(results: Results) -> str | None:
        status = results["update_engine.status"]
        if status.rc == NO_ENGINE:
            return None
        return parse_status(status.proven("ask update_engine for its status").stdout).busy

    def offer_probe(self) -> Step:
        return Step("offer", f"{_script('ask')}\nask")

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = _followed(state)
        goal = f"ask {channel.source} for group {channel.name}"
        if not result.ok:
            raise FlotillaError(f"cannot {goal}: {tail(result.stderr) or f'curl exited with {result.rc}'}")
        answer = parse_answer(result.stdout)
        if answer.status == "ok" and answer.digest is not None:
            return Candidate(answer.digest, answer.version)
        # The server compares versions: to one that has staged what it offers it says so, or nothing.
        if state.staged is not None and answer.reason == IN_PROGRESS:
            return Candidate(state.staged.digest, state.staged.version)
        if answer.status == "noupdate" and state.booted is not None:
            return Candidate(state.booted.digest, state.booted.version)
        raise FlotillaError(f"cannot {goal}: {_refusal(answer)}")

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        _followed(state)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused(f"cannot stage {digest}: a payload's SHA-256 is 64 hexadecimal digits")
        if state.native_updater.state is UpdaterState.ACTIVE:
            raise Refused(
                f"cannot stage {digest[:12]}: {state.native_updater.name} is {state.native_updater.state.value}, and "
                "reboots the host as soon as something is staged; hold it with native_updater first"
            )
        payload = base64.b64encode(bytes.fromhex(digest)).decode()
        call = f"stage {quote(payload)} {digest} {int(allow_downgrade)}"
        return "\n".join((_script("guard"), _script("ask"), _script("stage"), call))

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        channel = _followed(state)
        found = re.search(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE)
        if not found:
            return tail(log) or None
        kind, words = found.groups()
        asked = f"{channel.source} (group {channel.name})"
        if kind == "no_answer":
            return f"{asked} does not answer: {words}"
        if kind == "not_offered":
            return f"payload {digest[:12]} is not what {asked} offers: {_offered(words)}"
        if kind == "engine_failed":
            full = _BOOT_FULL.search(log)
            if full is not None:
                return f"payload {digest[:12]} from {asked}: the disk is full: {full[0]}"
            codes = re.findall(r"error code: (\d+) \((\w+)\)", log)
            if not codes:
                return f"update_engine took nothing from {asked}: {words}"
            code, name = codes[-1]
            meaning = _CODES.get(int(code), "see the journal of update_engine")
            return f"payload {digest[:12]} from {asked}: {meaning} ({name}, {code})"
        return words

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        return Step("unstage", f"{_script('guard')}\n{_script('stage')}\nunstage", required=True)

    def guard_functions(self) -> str:
        return _script("guard")

    def counter_functions(self) -> str:
        return _script("counter")

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        return Step("roll_back", f"{_script('guard')}\nmake_default {quote(target.id)}", required=True)

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        # update.conf is the user's, and stays over updates. Its other lines (REBOOT_STRATEGY and so on) are kept.
        lines = "".join(f"{key}={value}\n" for key, value in (("GROUP", wish.name), ("SERVER", wish.source)) if value)
        keys = "|".join(line.partition("=")[0] for line in lines.splitlines())
        return (
            Step(
                "channel.update_conf",
                "f=/etc/flatcar/update.conf; [ -e /usr/share/flatcar/release ] || f=/etc/coreos/update.conf; "
                f"mkdir -p ${{f%/*}} && {{ [ ! -f $f ] || grep -vE '^({keys})=' $f || [ $? = 1 ]; "
                f"printf '%s' {quote(lines)}; }} >$f.new && "
                "{ sync $f.new 2>/dev/null || sync; } && mv -f $f.new $f",
                required=True,
            ),
        )


def _script(name: str) -> str:
    return piece(f"update_engine_{name}.sh")


def _running(device: str, slots: dict[str, Slot]) -> Slot:
    number = re.search(r"(\d+)$", device)
    found = [slot for slot in slots.values() if number and slot.number == int(number[1][-1])]
    if not found:
        raise CannotParse("the output of `rootdev -s /usr`", "it is neither slot", device)
    return found[0]


def _position(other: Slot, first: Slot) -> Position:
    """Where the slot that does not run stands. Only one that ran well is a way back.

    With tries left and never good it is new: put behind the running slot by us, before it by the OS's own engine.
    """
    if not other.successful:
        return Position.STAGED
    # Put first again: what a rollback that waits for its reboot has left.
    return Position.PENDING if first is other else Position.ROLLBACK


def _deployment(
    slot: Slot, root_hash: str, known: dict[str, Known], position: Position | None, version: str | None
) -> Deployment:
    record = known.get(root_hash)
    staged_by_us = record is not None and record.digest != root_hash
    return Deployment(
        id=f"{slot.label}.{root_hash}",
        version=version or (record.version if record else None),
        digest=record.digest if record else root_hash,
        origin=None,
        position=position,
        # The engine verifies every payload, and dm-verity every block of what it became.
        verified=True if staged_by_us else None,
    )


def _channel(results: Results) -> Channel:
    settings = parse_settings(results["update_engine.settings"].stdout)
    return Channel(settings.get("GROUP") or None, settings.get("SERVER") or None, Verification.SIGN)


def _followed(state: HostState) -> Channel:
    channel = state.channel
    if channel is None or not re.match(r"https?://", channel.source or ""):
        source = channel.source if channel else None
        raise Refused(
            f"cannot ask for updates: SERVER in update.conf is {source}, which is no address; set one with "
            "update_channel"
        )
    return channel


def _refusal(answer: Answer) -> str:
    if answer.status == "noupdate":
        return "it has no update for this host"
    reason = f" ({answer.reason})" if answer.reason else ""
    return f"it refuses with {answer.status}{reason}"


def _offered(answer: str) -> str:
    try:
        found = parse_answer(answer)
    except CannotParse as exc:
        return exc.message
    if found.digest is None:
        return _refusal(found)
    return f"it offers {found.version} ({found.digest[:12]})"
