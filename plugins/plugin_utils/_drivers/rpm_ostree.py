# SPDX-License-Identifier: GPL-3.0-or-later
"""rpm-ostree: Fedora CoreOS and IoT, RHEL for Edge, Atomic Host, Photon's OSTree hosts. From branches or from images.

What the digest is: for a branch the publisher's commit, below all packages that are layered on the host; for an image
the digest of its manifest. Facts of the tool: man/rpm-ostree.xml and src/ of coreos/rpm-ostree.
"""

from __future__ import annotations

import re

from .._errors import FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import quote
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers import ostree_errors
from .._parsers.key_value import parse_key_values
from .._parsers.ostree import Remote, parse_remotes
from .._parsers.ostree import parse_status as parse_admin_status
from .._parsers.ostree_image import ImageReference, parse_image_reference, parse_offer, parse_policy, verification
from .._parsers.rpm_ostree import Entry, Status, parse_status, with_serials
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._remotes import keys_probe, remote_steps, remotes_probe, trusted_keys
from ._scripts import piece

# Printed between the status and what else is asked because of it.
_TITLE_MARK = "@@flotilla-title"
_ADMIN_MARK = "@@flotilla-admin"
# What `release` in rpm_ostree_host.sh leaves where there was a lock.
_RELEASED = "/run/flotilla/released"
POLICY_FILE = "/etc/containers/policy.json"

# The title of a transaction is in the text alone, which is asked for only then. Without --json, serials are missing.
_STATUS = (
    "if s=$(rpm-ostree status --json 2>/dev/null); then printf '%s\\n' \"$s\"; "
    "case $s in *'\"transaction\" : null'*) ;; "
    f"*) printf '\\n{_TITLE_MARK}\\n'; rpm-ostree status 2>/dev/null | sed -n 's/^Transaction: //p' ;; esac; "
    f"else rpm-ostree status -v && printf '\\n{_ADMIN_MARK}\\n' && ostree admin status; fi"
)


def _script(name: str) -> str:
    return piece(f"{name}.sh")


class RpmOSTree:
    """The `rpm_ostree` driver."""

    name = "rpm_ostree"
    capabilities: tuple[str, ...] = ("guard", "stage")
    # Zincati first: where it is there, it is the one. The units of bootc act on these hosts where it is installed, too.
    updater_units: tuple[str, ...] = (
        "zincati.service",
        "rpm-ostreed-automatic.timer",
        "rpm-ostreed-automatic.service",
        "bootc-fetch-apply-updates.timer",
        "bootc-fetch-apply-updates.service",
    )
    channel_rules = ChannelRules(
        verifications=(Verification.GPG, Verification.SIGN, Verification.POLICY, Verification.NONE)
    )

    def probes(self) -> tuple[Step, ...]:
        here = f"[ -e /run/ostree-booted ] && command -v rpm-ostree >/dev/null || exit {NOT_HERE}; "
        return (
            Step("rpm_ostree.status", here + _STATUS),
            Step("rpm_ostree.remotes", here + remotes_probe()),
            Step("rpm_ostree.keys", here + keys_probe()),
            Step("rpm_ostree.policy", here + f"[ ! -f {POLICY_FILE} ] || cat {POLICY_FILE}"),
            Step("rpm_ostree.kargs", here + "rpm-ostree kargs"),
        )

    def present(self, results: Results) -> bool:
        return results["rpm_ostree.status"].rc != NOT_HERE

    def observe(self, results: Results) -> View:
        status = _status(results["rpm_ostree.status"].proven("read the deployments").stdout)
        entries = status.entries
        booted = next((index for index, entry in enumerate(entries) if entry.booted), None)
        first = entries[0] if entries else None
        running = entries[booted] if booted is not None else None
        following = [
            entry for entry in entries[(booted + 1) if booted is not None else len(entries) :] if _same(entry, running)
        ]
        return View(
            booted=_deployment(running, Position.BOOTED) if running else None,
            staged=_deployment(first, _waiting(first)) if first and booted else None,
            rollback=_deployment(following[0], Position.ROLLBACK) if following else None,
            deployments=tuple(_known(index, booted, entry) for index, entry in enumerate(entries)),
            channel=_channel(running, results),
            busy=None if status.transaction is None else f"rpm-ostree: {status.transaction}",
            next_kernel_arguments=_kernel_arguments(results["rpm_ostree.kargs"]),
        )

    def offer_probe(self) -> Step:
        here = f"[ -e /run/ostree-booted ] && command -v rpm-ostree >/dev/null || exit {NOT_HERE}\n"
        return Step("offer", f"{_script('ostree_guard')}{_script('rpm_ostree_host')}{here}\noffer")

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = _followed(state)
        goal = f"ask {_place(channel)} for channel {channel.name}"
        # The command is a whole program: what it said is told, not the program.
        if result.rc:
            raise FlotillaError(f"cannot {goal}: {tail(result.stderr) or f'it exited with {result.rc}'}")
        text = result.proven(goal).stdout
        if channel.remote is None or text.lstrip().startswith("machine="):
            return Candidate(*parse_offer(text))
        found = parse_key_values(text)
        if not re.fullmatch(r"[0-9a-f]{64}", found.get("commit", "")):
            raise FlotillaError(f"cannot {goal}: it names no commit")
        return Candidate(found["commit"], found.get("version", "").strip("'\"") or None)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        channel = _followed(state)
        downgrade = "yes" if allow_downgrade else "no"
        if _image(state) is not None:
            if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
                raise Refused(f"cannot stage {digest}: an image's digest is sha256: and 64 hexadecimal digits")
            verb = f"stage_image {digest} {downgrade}"
        else:
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise Refused(f"cannot stage {digest}: an OSTree commit is 64 hexadecimal digits")
            running = state.booted.digest if state.booted else digest
            verb = (
                f"stage_commit {quote(str(channel.remote))} {quote(str(channel.name))} {digest} {running} {downgrade}"
            )
        return f"{_script('rpm_ostree_host')}\n{verb}"

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        channel = _followed(state)
        said, _mark, keys = log.partition("trusted keys:")
        failure, _mark, policy = said.partition("containers policy:")
        cause = ostree_errors.meaning_of(failure, ostree_errors.RPM_OSTREE)
        if cause is None:
            return tail(failure) or None
        verified = channel.verification.value if channel.verification else "unknown"
        image = _image(state)
        if image is not None:
            required = ", ".join(_requirements(policy, image)) or "unknown"
            return (
                f"image {digest} of {image.location}: {cause}; verification: {verified}, "
                f"the host's {POLICY_FILE} asks for {required} there"
            )
        return (
            f"commit {digest} of {channel.remote}:{channel.name} ({channel.source}): {cause}; "
            f"verification: {verified}, keys trusted for remote {channel.remote}: {', '.join(keys.split()) or 'none'}"
        )

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        return Step.of("unstage", "rpm-ostree", "cleanup", "-p", required=True)

    def release(self, state: HostState, target: Deployment) -> Step:
        return Step("release", f"{_script('rpm_ostree_host')}\nrelease {quote(target.id)}", required=True)

    def lock_again(self) -> str:
        # This file is a lock for every version, also for those that write their own elsewhere.
        return f"[ ! -e {_RELEASED} ] || mv -f {_RELEASED} /run/ostree/staged-deployment-locked"

    def guard_functions(self) -> str:
        return f"{_script('ostree_guard')}\n{_script('rpm_ostree_guard')}"

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        # What is staged would become the default again while the host shuts down.
        drop = "[ ! -e /run/ostree/staged-deployment ] || rpm-ostree cleanup -p >/dev/null || exit 1"
        return Step("roll_back", f"{self.guard_functions()}\n{drop}\nmake_default {quote(target.id)}", required=True)

    def set_kernel_arguments(self, state: HostState, add: tuple[str, ...], remove: tuple[str, ...]) -> str:
        if state.booted is None:
            raise Refused("cannot set kernel arguments: the deployment that runs is not known")
        # One call each: together they fail before 2020. The caller knows exactly what is there and what is not, so the
        # `-if-missing` forms, which fail on other values of a key in 2023.4 to 2023.12, are not needed.
        calls = [
            Step.of("kargs", "rpm-ostree", "kargs", *(f"--{verb}={one}" for one in some)).script
            for verb, some in (("delete", remove), ("append", add))
            if some
        ]
        return " && ".join(calls) or ":"

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return trusted_keys(results["rpm_ostree.keys"], channel)

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        before = state.channel or Channel(None, None, None)
        image = _image(state)
        name, source = wish.name or before.name, wish.source or before.source
        how = wish.verification or before.verification
        if image is not None:
            return (self._follow("container-image-reference", _switched(image, name, source, how).reference),)
        remote = wish.remote or before.remote
        if not (remote and name and source):
            raise Refused(
                "cannot switch the channel: it needs a remote, a branch and a URL; "
                f"known are {remote}, {name}, {source}"
            )
        if how is Verification.POLICY or source.startswith(_TRANSPORTS):
            raise Refused(
                f"cannot switch the channel from branch {before.name} to an image: rpm-ostree does that only by "
                "downloading it (`rpm-ostree rebase`)"
            )
        return (
            *remote_steps(remote, source, how or Verification.GPG, wish.keys),
            self._follow("refspec", f"{remote}:{name}"),
        )

    def _follow(self, key: str, reference: str) -> Step:
        program = f"{_script('ostree_guard')}\n{_script('rpm_ostree_host')}\nfollow {key} {quote(reference)}"
        return Step("channel.origin", program, required=True)


_TRANSPORTS = ("docker:", "oci:", "oci-archive:", "containers-storage:", "dir:")


def _status(text: str) -> Status:
    shown, _mark, title = text.partition(f"\n{_TITLE_MARK}\n")
    if title.strip():
        status = parse_status(shown)
        return Status(status.entries, status.transaction and title.strip())
    shown, mark, admin = shown.partition(f"\n{_ADMIN_MARK}\n")
    status = parse_status(shown)
    if not mark:
        return status
    return Status(with_serials(status.entries, parse_admin_status(admin)), status.transaction)


def _same(entry: Entry, running: Entry | None) -> bool:
    """Rolling back stays within an OS's own stateroot."""
    return running is not None and entry.osname == running.osname


def _waiting(entry: Entry) -> Position:
    return Position.STAGED if entry.staged else Position.PENDING


def _known(index: int, booted: int | None, entry: Entry) -> Deployment:
    position = Position.BOOTED if entry.booted else None
    if booted and index == 0:
        position = _waiting(entry)
    elif booted is not None and index == booted + 1:
        position = Position.ROLLBACK
    return _deployment(entry, position)


def _deployment(entry: Entry, position: Position | None) -> Deployment:
    return Deployment(
        id=entry.id,
        version=entry.version,
        digest=entry.digest,
        origin=entry.origin,
        position=position,
        pinned=entry.pinned,
        verified=entry.valid_signature,
    )


def _channel(running: Entry | None, results: Results) -> Channel | None:
    if running is None or running.origin is None:
        return None
    remotes = parse_remotes(results["rpm_ostree.remotes"].stdout)
    if running.is_image:
        image = parse_image_reference(running.origin)
        policy = results["rpm_ostree.policy"].text
        remote = remotes.get(image.remote) if image.remote else None
        how = verification(image, parse_policy(policy) if policy else None, remote.verification if remote else None)
        return Channel(image.tag, image.repository, how, remote=image.remote)
    remote_name, colon, branch = running.origin.rpartition(":")
    if not colon:
        return Channel(branch, None, None)
    known: Remote | None = remotes.get(remote_name)
    return Channel(branch, known.url if known else None, known.verification if known else None, remote=remote_name)


def _image(state: HostState) -> ImageReference | None:
    origin = state.booted.origin if state.booted else None
    return parse_image_reference(origin) if origin is not None and origin.startswith("ostree-") else None


def _switched(image: ImageReference, name: str | None, source: str | None, how: Verification | None) -> ImageReference:
    if source is None or not source.startswith(_TRANSPORTS):
        raise Refused(
            f"cannot switch the channel to {source}: this host follows an image, whose source is TRANSPORT:NAME, for "
            "instance docker://quay.io/fedora/fedora-coreos"
        )
    kinds = {Verification.POLICY: "signed", Verification.NONE: "unverified"}
    kind = kinds.get(how, image.kind) if how else image.kind
    tag = name or image.tag if source.startswith("docker:") else ""
    return ImageReference(kind, source, tag, image.remote if kind == "remote" else None)


def _requirements(policy: str, image: ImageReference) -> tuple[str, ...]:
    try:
        return parse_policy(policy).requirements(image.repository, image.tag)
    except FlotillaError:  # cut off, or none: the cause stands all the same
        return ()


def _kernel_arguments(shown: Result) -> tuple[str, ...] | None:
    """None where the tool does not tell (before 2018): what runs is what is known then."""
    return tuple(shown.text.split()) or None if shown.ok else None


def _place(channel: Channel) -> str:
    return f"remote {channel.remote} ({channel.source})" if channel.remote else str(channel.source)


def _followed(state: HostState) -> Channel:
    channel = state.channel
    if channel is None or (channel.remote is None and _image(state) is None):
        origin = state.booted.origin if state.booted else None
        raise Refused(
            f"cannot ask for updates: the booted deployment's origin is {origin}, which names no remote; "
            "set one with update_channel"
        )
    return channel
