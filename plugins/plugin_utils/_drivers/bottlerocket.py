# SPDX-License-Identifier: GPL-3.0-or-later
"""bottlerocket: Bottlerocket, driven through its API from one of its host containers.

Nothing of ours runs on the OS itself: the steps run in the admin container (or the control container), where
`apiclient` speaks to the host's API. Two partition sets; the API writes the other one, and makes it the next boot by an
order of its own. The boot flags are seen, and set for a rollback, only from a container that may do everything (the
admin container).

Facts of the tools: bottlerocket-core-kit sources/api/{thar-be-updates,apiclient,apiserver}, sources/updater/{updog,
signpost}; bottlerocket-admin-container sheltie; docs/families.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from .._errors import CannotParse, FlotillaError, Refused, ToolFailed, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import quote
from .._model.state import (
    Channel,
    Deployment,
    Fallback,
    FallbackCause,
    HostState,
    Mac,
    MacMode,
    MacSystem,
    Os,
    Position,
    Verification,
)
from .._parsers.bottlerocket import (
    Image,
    Sets,
    Status,
    parse_known,
    parse_os,
    parse_sets,
    parse_settings,
    parse_status,
)
from ._protocol import Candidate, ChannelRules, ChannelWish, Identity, View
from ._scripts import piece

_HERE = f"[ -e /run/api.sock ] && command -v apiclient >/dev/null || exit {NOT_HERE}; "
# A container that may do everything has the host's root there (core-kit, host-ctr).
_HOST = "/.bottlerocket/rootfs"
_STORE = "/.bottlerocket/host-containers/current/flotilla/bottlerocket/sets"
# How the API says that it was asked nothing yet in this boot, and that it is at work (apiserver, error.rs).
_NOT_ASKED = "Status 404"
_LOCKED = "Status 423"
LATEST = "latest"

# What `explain` makes of the words of updog and of the TUF library.
_CAUSES = (
    (re.compile(r"No space left on device"), "the disk is full"),
    (re.compile(r"[Ss]ignature|Failed to verify|expired|Hash mismatch"), "its signatures do not verify"),
    (re.compile(r"Failed to fetch|error sending request|timed out|Transport error"), "the repository does not answer"),
    (re.compile(r"Status 423"), "other update work is going on"),
    (re.compile(r"Status 409"), "an update is ready already; `apiclient update cancel` takes it back"),
)
# Where the targets of a repository lie, by the layout of all of Bottlerocket's own.
_LAYOUT = re.compile(r"(https?://\S+)/[0-9]{4}-[0-9]{2}-[0-9]{2}/([^/\s]+)/([^/\s]+)/")


class Bottlerocket:
    """The `bottlerocket` driver."""

    name = "bottlerocket"
    capabilities: tuple[str, ...] = ("stage",)
    # TUF metadata with a root of trust in the image: there is no way around it.
    channel_rules = ChannelRules(parts=("name", "source"), verifications=(Verification.SIGN,), keys=False)
    lacks: Mapping[str, str] = {
        "hold_updater": "Bottlerocket updates itself only when it is told to; an operator in the cluster (brupop, the "
        "ECS updater) that tells it so is held there",
        "kernel_arguments": "they are a setting of the whole host (settings.boot.kernel-parameters), for both "
        "partition sets at once, so that going back would not undo them",
    }
    no_guard = (
        "Bottlerocket has no place for a guard, as nothing but its own image and containers starts at boot; its boot "
        "loader goes back by itself from what does not come up, not from what comes up and is not confirmed"
    )

    def probes(self) -> tuple[Step, ...]:
        return (
            Step("bottlerocket.os", f"{_HERE}apiclient get os"),
            Step("bottlerocket.settings", f"{_HERE}apiclient get settings.updates"),
            Step("bottlerocket.status", f"{_HERE}apiclient get /updates/status"),
            Step(
                "bottlerocket.sets",
                f"{_HERE}[ -d {_HOST}/proc ] || exit {NOT_HERE}; nsenter -t 1 -a -- signpost status",
            ),
            Step("bottlerocket.selinux", f"{_HERE}cat {_HOST}/sys/fs/selinux/enforce 2>/dev/null"),
            Step("bottlerocket.known", f"{_HERE}[ ! -f {_STORE} ] || cat {_STORE}"),
            Step("bottlerocket.booted_at", f"{_HERE}echo $(($(date +%s) - $(cut -d . -f 1 /proc/uptime)))"),
        )

    def present(self, results: Results) -> bool:
        # With the API's socket there, nothing else may take the host for its own: `observe` says what is wrong.
        return results["bottlerocket.os"].rc != NOT_HERE

    def identity(self, results: Results) -> Identity:
        runs = parse_os(results["bottlerocket.os"].proven("ask the API which OS runs").stdout)
        enforcing = {"1": MacMode.ENFORCING, "0": MacMode.PERMISSIVE}.get(results["bottlerocket.selinux"].text)
        return Identity(
            Os("bottlerocket", runs.image.version, runs.image.variant, runs.pretty_name),
            Mac(MacSystem.SELINUX, enforcing),
        )

    def reboot(self) -> str:
        return "apiclient reboot"

    def observe(self, results: Results) -> View:
        runs = parse_os(results["bottlerocket.os"].proven("ask the API which OS runs").stdout).image
        settings = parse_settings(results["bottlerocket.settings"].proven("read the update settings").stdout)
        status, busy = _status(results["bottlerocket.status"])
        if status and status.active and status.active != runs:
            raise CannotParse("the update status of Bottlerocket", f"{status.active.name} is active, {runs.name} runs")
        sets = _sets(results["bottlerocket.sets"])
        booted = _deployment(runs, Position.BOOTED)
        staged = other = fallback = None
        if status and status.staging:
            staged = _deployment(status.staging, Position.STAGED if status.next else Position.DOWNLOADED)
        elif sets:
            other, fallback = _other(runs, sets, results)
        first = (staged and staged.position is Position.STAGED) or (other and other.position is Position.PENDING)
        listed = [one for one in (staged, other) if one is not None]
        return View(
            booted=booted,
            staged=staged or (other if other and other.position is Position.PENDING else None),
            rollback=other,
            deployments=(*listed, booted) if first else (booted, *listed),
            channel=Channel(settings.lock, settings.metadata, Verification.SIGN),
            busy=busy,
            fallback=fallback,
            unsettled=None
            if sets is None or sets.active.successful
            else "its OS has not marked this boot as successful yet, so that the boot loader would go back",
        )

    def offer_probe(self) -> Step:
        return Step("offer", f"{_HERE}apiclient update check")

    def offer(self, result: Result, state: HostState) -> Candidate:
        source = state.channel.source if state.channel else None
        lock = state.channel.name if state.channel else None
        if not result.ok:
            cause = _cause(tail(result.stderr)) or f"apiclient exited with {result.rc}"
            raise FlotillaError(f"cannot ask {source} for updates: {cause}")
        status = parse_status(result.stdout)
        if status.failure:
            raise FlotillaError(f"cannot ask {source} for updates: {_cause(status.failure)}")
        if status.chosen is not None:
            return Candidate(status.chosen.name, status.chosen.version)
        if state.booted is not None and lock is not None and lock.removeprefix("v") in (LATEST, state.booted.version):
            return Candidate(state.booted.digest, state.booted.version)
        raise FlotillaError(
            f"cannot ask {source} for updates: version {lock}, to which this host is locked, is not offered to it; the "
            "repository does not have it, or its wave has not begun (settings.updates.ignore-waves)"
        )

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        if state.booted is None:
            raise Refused(f"cannot stage {digest}: what runs is not known")
        runs, wanted = _image(state.booted.digest), _image(digest)
        if (wanted.variant, wanted.arch) != (runs.variant, runs.arch):
            raise Refused(f"cannot stage {digest}: this host is {runs.variant}-{runs.arch}, and stays so over updates")
        if not allow_downgrade and _order(wanted.version) < _order(runs.version):
            raise Refused(f"cannot stage {digest}: it is older than {runs.version}, which runs; allow_downgrade")
        return f"{_script()}\nstage {quote(_words(runs))} {quote(_words(wanted))}"

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        found = re.search(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE | re.DOTALL)
        if not found:
            return tail(log) or None
        kind, words = found[1], " ".join(found[2].split())
        channel = state.channel
        source = f"{channel.source} (version-lock {channel.name})" if channel else "its repository"
        if kind == "not_offered":
            return f"it is not what {source} offers: {words}"
        if kind in ("no_answer", "not_prepared"):
            return f"{source}: {_cause(words)}"
        return words

    def unstage(self, state: HostState) -> Step:
        raise Refused(
            "cannot unstage: Bottlerocket has no command that drops what is written to the other partition set; "
            "nothing boots it but deployment_boot, and with the next boot it is forgotten"
        )

    def release(self, state: HostState, target: Deployment) -> Step:
        return Step("release", f"{_script()}\nactivate {quote(_words(_image(target.digest)))}", required=True)

    def lock_again(self) -> str:
        return "apiclient update cancel"

    def guard_functions(self) -> str:
        raise Refused(f"cannot arm a guard: {self.no_guard}")

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        if state.rollback is None or target.id != state.rollback.id:
            raise Refused(f"cannot roll back to {target.digest}: only what the other partition set holds can be booted")
        return Step("roll_back", f"{_script()}\ngo_back", required=True)

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        lock = wish.name or LATEST
        if lock != LATEST and not re.fullmatch(r"v?[0-9]+\.[0-9]+\.[0-9]+", lock):
            raise Refused(f"cannot follow channel {lock!r}: version-lock is {LATEST} or a version as 1.26.1")
        wanted: dict[str, object] = {"version-lock": lock}
        before = state.channel.source if state.channel else None
        if wish.source is not None and wish.source != before:
            wanted |= _repository(state, wish.source)
        document = json.dumps({"settings": {"updates": wanted}}, sort_keys=True)
        return (Step.of("channel.settings", "apiclient", "set", "--json", document, required=True),)


def _script() -> str:
    return piece("bottlerocket_host.sh")


def _status(result: Result) -> tuple[Status | None, str | None]:
    """Return (the dispatcher's status, what it is in the middle of)."""
    if result.ok:
        return parse_status(result.stdout), None
    if _NOT_ASKED in result.stderr:
        return None, None
    if _LOCKED in result.stderr:
        return None, "the update dispatcher is at work"
    raise ToolFailed("read the update status", "apiclient get /updates/status", result.rc or 0, result.stderr)


def _sets(result: Result) -> Sets | None:
    return None if result.rc == NOT_HERE else parse_sets(result.proven("read the partition sets").stdout)


def _other(runs: Image, sets: Sets, results: Results) -> tuple[Deployment | None, Fallback | None]:
    """Return (the way back, the last fallback): what the other set holds, by our record, and how it stands.

    The flags alone have no names. A record that does not have what runs is of another time.
    """
    known = parse_known(results["bottlerocket.known"].stdout)
    if known is None or runs not in known or known[0] == known[1]:
        return None, None
    there = known[1] if known[0] == runs else known[0]
    if sets.inactive.successful:
        return _deployment(there, Position.PENDING if sets.inactive_next else Position.ROLLBACK), None
    # Put first, tried, and never good: the boot loader went back from it.
    if sets.inactive.priority > 0 and sets.inactive.tries == 0 and known[0] == runs:
        at = results["bottlerocket.booted_at"].text
        return None, Fallback(
            FallbackCause.BOOT_FAILED,
            there.name,
            there.name,
            runs.name,
            int(at) if at.isdigit() else 0,
            "the boot loader used up its tries, and its OS never marked it as successful",
        )
    return None, None


def _deployment(image: Image, position: Position | None) -> Deployment:
    # Every image is verified by its repository's signatures when it is written, and by dm-verity whenever it is read.
    return Deployment(image.name, image.version, image.name, None, position, verified=True)


def _image(digest: str) -> Image:
    """Return the image that a digest of ours names. Raises Refused."""
    version, _dash, rest = digest.partition("-")
    variant, _dash, arch = rest.rpartition("-")
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version) or not variant or not re.fullmatch(r"\w+", arch):
        raise Refused(f"cannot stage {digest}: an image of Bottlerocket is called VERSION-VARIANT-ARCH")
    return Image(version, variant, arch)


def _words(image: Image) -> str:
    return f"{image.version} {image.variant} {image.arch}"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _repository(state: HostState, source: str) -> dict[str, object]:
    """Return the settings that make a host use another repository. Raises Refused for one of another kind of host."""
    found = _LAYOUT.fullmatch(source if source.endswith("/") else f"{source}/")
    if not found:
        raise Refused(
            f"cannot follow source {source!r}: it is no .../YYYY-MM-DD/VARIANT/ARCH/, beside which the images are in "
            ".../targets/"
        )
    runs = _image(state.booted.digest) if state.booted else None
    if runs and (found[2], found[3]) != (runs.variant, runs.arch):
        raise Refused(f"cannot follow source {source!r}: this host is {runs.variant}, {runs.arch}")
    return {"metadata-base-url": source, "targets-base-url": f"{found[1]}/targets/"}


def _cause(words: str) -> str:
    for pattern, meaning in _CAUSES:
        if pattern.search(words):
            return f"{meaning}: {words}"
    return words
