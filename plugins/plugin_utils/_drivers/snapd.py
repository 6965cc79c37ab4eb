# SPDX-License-Identifier: GPL-3.0-or-later
"""snapd: Ubuntu Core 20 and later, where the OS is a set of snaps.

Identity. The deployment is the set of the revisions of the model's base, kernel and gadget, and of snapd; its digest
is the SHA-256 of that set, written down in order. A revision names what the store signed, so that two hosts with one
set run the same bytes; a local snap is told by the SHA-256 of its file. What `snap list` says changes before the
reboot: what runs is read where the early boot code reads it.

Facts of the tool: canonical/snapd boot/*.go, overlord/{restart,snapstate}, cmd/snapd/cli; docs/families/snapd.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import FILE_MARK, print_files, quote
from .._model.state import (
    Channel,
    Deployment,
    HostState,
    NativeUpdater,
    Position,
    UpdaterState,
    Verification,
)
from .._parsers.files import split_files
from .._parsers.snap_folder import Folder
from .._parsers.snapd import (
    MODEENV,
    RUN,
    SETTLED,
    TRY,
    TRYING,
    Change,
    Modeenv,
    Snap,
    SnapSet,
    parse_changes,
    parse_hold,
    parse_modeenv,
    parse_offer,
    parse_snaps,
    parse_validation_sets,
)
from ._protocol import BELOW_IMAGE, Candidate, ChannelRules, ChannelWish, View
from ._scripts import piece
from ._snap_folder import STORE, folder_of
from ._snap_folder import offer as offer_of_folder
from ._snap_sets import NAMES, RECORDS, contents, records_of, set_before, staged_set

# Exit codes of the probe: on a host that this driver is not for; where the boot loader says nothing.
NO_KERNEL = 4
# Names of snaps that are to be treated as the OS of a classic system, where the OS is none of snaps.
NAMED = "/etc/flotilla/snaps"
# On a classic system with a modeenv (full disk encryption) snaps are the kernel, and packages are the rest of the OS.
_HERE = (
    f"[ -e /run/snapd.socket ] && {{ [ -f {MODEENV} ] || [ -f {NAMED} ]; }} && command -v snap >/dev/null && "
    f"! grep -qsx classic=true {MODEENV} || exit {NOT_HERE}; "
)
SNAPS, CHANGES, HOLD, SETS, FIND = (
    "/v2/snaps?select=all",
    "/v2/changes?select=in-progress",
    "/v2/snaps/system/conf?keys=refresh",
    "/v2/validation-sets",
    "/v2/find?select=refresh",
)
_ANSWERS = (SNAPS, CHANGES, HOLD, SETS)
FOREVER = "forever"
_KERNEL_STATUS, _LOCAL_SUMS = "kernel_status", "local_sums"
_CHANNEL = re.compile(r"([\w.-]+)/(stable|candidate|beta|edge)(/[\w.-]+)?")

# Each says in its first group what is wrong, in the words of snap.
_CAUSES = (
    (re.compile(r"([Nn]o space left on device.*|.*insufficient space.*|.*low disk space.*)"), "the disk is full"),
    (
        re.compile(r"(cannot fetch snap signatures/assertions.*|cannot find signatures.*|.*hash.*mismatch.*)"),
        "its signature is not accepted",
    ),
    (
        re.compile(r"(persistent network error.*|.*dial tcp.*|unable to contact snap store.*|.*i/o timeout.*)"),
        "the store does not answer",
    ),
    (re.compile(r"(curl: .*|wget: .*|cat: .*)"), "the folder does not answer as it should"),
    (re.compile(r'(snap "\S+" has "\S+" change in progress)'), "snapd is busy"),
    (re.compile(r"(.*required by validation sets.*)"), "a validation set that is enforced forbids it"),
)


class Snapd:
    """The `snapd` driver."""

    name = "snapd"
    state_folder = BELOW_IMAGE
    capabilities: tuple[str, ...] = ("guard", "stage")
    # What the store offers is proven by assertions, whose root key is part of snapd: there is no way around it. Of a
    # folder's files it need not be so.
    channel_rules = ChannelRules(
        parts=("name",), optional=("source",), verifications=(Verification.SIGN, Verification.NONE), keys=False
    )
    own_source = STORE
    lacks: Mapping[str, str] = {
        "kernel_arguments": "snapd reboots by itself as soon as one is set (system.kernel.cmdline-append), so that no "
        "guard could be armed for that boot; the gadget says which it allows",
    }

    def probes(self) -> tuple[Step, ...]:
        # The kernel's status first: what snapd writes after it says no less than that.
        status = (
            f"patiently 35 unambiguous; printf '\\n{FILE_MARK}{_KERNEL_STATUS}\\n'; kernel_status || exit {NO_KERNEL}"
        )
        files = print_files(MODEENV, NAMED, *(f"{RECORDS}/{name}" for name in NAMES))
        staged = f'for f in {RECORDS}/staged/*.snap; do [ ! -s "$f" ] || printf \'\\n{FILE_MARK}%s\\n\' "$f"; done'
        sums = f"printf '\\n{FILE_MARK}{_LOCAL_SUMS}\\n'; local_sums"
        asked = f"ask {' '.join(map(quote, _ANSWERS))}"
        script = f"{_HERE}{_script('boot', 'local', 'ask')}\n{status}; {files}; {staged}; {sums}; {asked}"
        return (Step("snapd.host", script),)

    def present(self, results: Results) -> bool:
        return results["snapd.host"].rc not in (None, NOT_HERE)

    def observe(self, results: Results) -> View:
        seen = _seen(results)
        modeenv, kernel_status, named = _boot(seen)
        if modeenv is not None and modeenv.mode != RUN:
            busy = f"the system is in {modeenv.mode} mode, not in {RUN} mode"
            return View(None, None, None, (), None, busy)
        records = records_of(seen)
        snaps = parse_snaps(seen[SNAPS])
        members = _members(snaps, modeenv, named)
        active = {one.name: one.revision for one in members}
        running = SnapSet.of({**active, **(modeenv.boots(kernel_status, TRYING) if modeenv else {})})
        following = SnapSet.of({**active, **(modeenv.boots(kernel_status, TRY) if modeenv else {})})
        pending = modeenv is not None and TRY in (modeenv.base_status, kernel_status)
        installed = {(one.name, one.revision) for one in snaps}
        known = contents(snaps, seen.get(_LOCAL_SUMS, ""))
        booted, staged = known.deployment(running, Position.BOOTED), None
        if booted is None:
            raise FlotillaError(f"cannot tell what {running.version} is: the file of a local snap cannot be read")
        if pending:
            staged = known.deployment(following, Position.PENDING)
        else:
            staged = staged_set(records, running, installed, known)
        before = set_before(records, running, installed)
        if pending and before == following:
            before = None
        rollback = known.deployment(before, Position.ROLLBACK) if before else None
        order = (staged, booted) if staged and staged.position is Position.PENDING else (booted, staged)
        listed = tuple(one for one in (*order, rollback) if one is not None)
        changes = [one for one in parse_changes(seen[CHANGES]) if not one.harmless]
        channel = _channel(members, modeenv, parse_validation_sets(seen[SETS]), _known_folder(records))
        return View(booted, staged, rollback, listed, channel, _busy(changes))

    def offer_probe(self) -> Step:
        ask = f"if [ -f $SETS/folder ]; then folder_sums; else patiently 3 rest {quote(FIND)}; fi"
        return Step("offer", f"{_HERE}{_script('boot', 'ask', 'folder')}\nSETS={RECORDS}; {ask}")

    def offer(self, result: Result, state: HostState) -> Candidate:
        folder = _folder(state)
        if folder is not None:
            return offer_of_folder(folder, result, _running(state))
        goal = f"ask the store for updates of {state.channel.name if state.channel else None}"
        if not result.ok:
            raise FlotillaError(f"cannot {goal}: {tail(result.stderr) or f'snapd gave no answer ({result.rc})'}")
        running = _running(state).revisions
        try:
            offered = parse_offer(result.stdout)
        except CannotParse:
            raise
        except FlotillaError as exc:
            raise FlotillaError(f"cannot {goal}: {exc.message}") from exc
        found = SnapSet.of({name: offered.get(name, revision) for name, revision in running.items()})
        return Candidate(found.digest, found.version)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused(f"cannot stage {digest}: the digest of a set of snaps is 64 hexadecimal digits")
        if _folder(state) is None and not _running(state).from_store:
            version = _running(state).version
            raise Refused(
                f"cannot stage {digest[:12]}: {version} has a local snap, which no store knows; give a folder "
                "(update_channel, source)"
            )
        return f"{_script('boot', 'guard', 'folder', 'stage')}\nstage {digest} {int(allow_downgrade)}"

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        found = re.search(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE | re.DOTALL)
        if not found:
            return tail(log) or None
        kind, words = found[1], " ".join(found[2].split())
        folder = _folder(state)
        if kind == "not_offered" and folder is not None:
            return f"it is not what {folder.url} offers: that is {words}"
        if kind == "not_offered":
            try:
                offered = SnapSet.parse(words)
            except CannotParse:
                return words
            return f"it is not what the store offers: that is {offered.version} ({offered.digest[:12]})"
        if kind == "ack":
            return f"its signature is not accepted: {words}"
        for pattern, meaning in _CAUSES:
            cause = pattern.search(words)
            if cause:
                return f"{meaning}: {cause[1]}"
        return words

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        if state.staged.position is Position.PENDING:
            raise Refused("cannot unstage: snapd has activated it, and reboots the host within a minute")
        return Step("unstage", f"{_script('boot', 'guard', 'stage')}\nunstage", required=True)

    def guard_functions(self) -> str:
        return _script("boot", "guard")

    def counter_functions(self) -> str:
        return _script("counter")

    def release(self, state: HostState, target: Deployment) -> Step:
        return Step(
            "activate",
            f"{_script('boot', 'guard', 'folder', 'stage')}\nactivate {quote(target.id)}",
            required=True,
        )

    def lock_again(self) -> str:
        return f"{_script('boot', 'guard', 'stage')}\ntake_back || exit 0"

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        return Step("roll_back", f"{_script('boot', 'guard')}\nmake_default {quote(target.id)}", required=True)

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        folder = folder_of(wish)
        if folder is not None:
            script = f"{_script('boot', 'guard')}\nkeep folder {quote(folder.record)}"
            return (Step("switch channel", script, required=True),)
        found = _CHANNEL.fullmatch(wish.name or "")
        if not found:
            raise Refused(
                f"cannot follow channel {wish.name}: it is named TRACK/RISK, as in 24/stable; the risks are stable, "
                "candidate, beta and edge"
            )
        track, risk = found[1], f"{found[2]}{found[3] or ''}"
        call = f"follow {quote(track)} {quote(risk)} && rm -f {RECORDS}/folder"
        return (Step("switch channel", f"{_script('boot', 'guard', 'follow')}\n{call}", required=True),)

    def source(self, results: Results) -> str | None:
        seen = _seen(results)
        return parse_modeenv(seen[MODEENV]).model if MODEENV in seen else None

    def updater(self, results: Results) -> NativeUpdater:
        forever = parse_hold(_seen(results)[HOLD]) == FOREVER
        ours = "hold" in records_of(_seen(results))
        # A hold that ends lets it act, whoever is there then.
        state = (UpdaterState.HELD if ours else UpdaterState.DISABLED) if forever else UpdaterState.ACTIVE
        return NativeUpdater(self.name, state)

    def handed_back(self, results: Results) -> UpdaterState | None:
        was = records_of(_seen(results)).get("hold")
        if was is None:
            return None
        return UpdaterState.DISABLED if was == FOREVER else UpdaterState.ACTIVE

    def set_updater(self, results: Results, wanted: UpdaterState) -> Step:
        now, was = parse_hold(_seen(results)[HOLD]), records_of(_seen(results)).get("hold")
        forever, forget = f"snap set system refresh.hold={FOREVER}", f"rm -f {RECORDS}/hold"
        if wanted is UpdaterState.HELD:
            # Recorded first, and never over an earlier record, which says what it was before.
            keep = f"[ -f {RECORDS}/hold ] || keep hold {quote(now or '')}"
            return Step(
                "hold snapd's refreshes", f"{_script('boot', 'guard')}\n{{ {keep}; }} && {forever}", required=True
            )
        if wanted is UpdaterState.DISABLED:
            return Step("disable snapd's refreshes", f"{forever} && {forget}", required=True)
        back = f"snap set system refresh.hold={quote(was)}" if was else "snap unset system refresh.hold"
        return Step("release snapd's refreshes", f"{back} && {forget}", required=True)


def _script(*names: str) -> str:
    return "\n".join(piece(f"snapd_{name}.sh") for name in names)


def _seen(results: Results) -> dict[str, str]:
    """Return all that the probe printed: answers and files by their paths, and the kernel's status."""
    result = results["snapd.host"]
    seen = dict(split_files(result.stdout))
    if result.rc == NO_KERNEL:
        raise FlotillaError(f"cannot tell which kernel runs: {tail(result.stderr)}")
    given = [path for path in _ANSWERS if path in seen]
    if not result.ok or len(given) < len(_ANSWERS):
        said = tail(result.stderr) or f"it gave {len(given)} answers of {len(_ANSWERS)}"
        raise FlotillaError(f"cannot ask snapd what is installed: {said}")
    return seen


def _boot(seen: Mapping[str, str]) -> tuple[Modeenv | None, str, set[str]]:
    """Return the modeenv, None on a classic system; the kernel's status; the snaps that were named to be the OS."""
    status = seen.get(_KERNEL_STATUS, "?").strip()
    if status not in (SETTLED, TRY, TRYING):
        raise FlotillaError(f"cannot tell which kernel runs: kernel_status is {status!r}")
    modeenv = parse_modeenv(seen[MODEENV]) if MODEENV in seen else None
    if modeenv is not None and status == SETTLED and len(modeenv.kernels) > 1:
        raise FlotillaError("cannot tell which kernel runs: snapd has not marked this boot good yet")
    return modeenv, status, set(seen.get(NAMED, "").split())


def _members(snaps: tuple[Snap, ...], modeenv: Modeenv | None, named: set[str]) -> list[Snap]:
    """The active revisions of the snaps that are the OS; a model may have no gadget and no snapd of its own."""
    needed = {modeenv.base[0], modeenv.kernels[0][0]} if modeenv else named
    found = [one for one in snaps if one.active and one.name in {*needed, modeenv and modeenv.gadget, "snapd"}]
    if modeenv is None:
        found = [one for one in found if one.name in named]
    missing = needed - {one.name for one in found}
    if missing or not found:
        names = ", ".join(sorted(missing)) or "a snap"
        raise CannotParse(
            "snapd's list of snaps", f"{names}, which {MODEENV if modeenv else NAMED} names, is not active"
        )
    return found


def _known_folder(records: Mapping[str, str]) -> Folder | None:
    return Folder.parse(records["folder"]) if "folder" in records else None


def _folder(state: HostState) -> Folder | None:
    """The folder that the host follows; None where it follows the store."""
    channel = state.channel
    if channel is None:
        return None
    return folder_of(ChannelWish(channel.name, channel.source, None, channel.verification))


def _running(state: HostState) -> SnapSet:
    if state.booted is None:
        raise Refused("cannot tell what to update: the set of snaps that runs is not known")
    return SnapSet.parse(state.booted.id)


def _channel(members: list[Snap], modeenv: Modeenv | None, enforced: tuple[str, ...], folder: Folder | None) -> Channel:
    """The kernel's track, and the risk that all follow; no name where they differ. `remote`: validation sets."""
    if folder is not None:
        return Channel(folder.name, folder.source, folder.verification, remote=",".join(enforced) or None)
    tracking = {one.name: one.tracking for one in members}
    name = tracking[modeenv.kernels[0][0] if modeenv else members[0].name]
    same = [tracking.get(modeenv.gadget or "", name)] if modeenv else list(tracking.values())
    risks = {(one or "").partition("/")[2] for one in tracking.values()}
    agree = len(risks) == 1 and set(same) == {name}
    source = modeenv.model if modeenv else None
    return Channel(name if agree else None, source, Verification.SIGN, remote=",".join(enforced) or None)


def _busy(changes: list[Change]) -> str | None:
    if not changes:
        return None
    return f"snapd: {changes[0].summary} (change {changes[0].id}, {changes[0].status})"
