# SPDX-License-Identifier: GPL-3.0-or-later
"""bootc: hosts that boot container images (RHEL image mode, Fedora and CentOS bootc, what is built on them).

Facts of the tool: bootc-upgrade(8), -switch(8), -rollback(8), bootc-dev/bootc crates/lib/src/{cli,deploy,status}.rs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .._errors import CannotParse, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import quote
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers.bootc import DOCKER, RAW_MARK, REGISTRY, Entry, Image, Status, parse_offer, parse_status
from ._protocol import Candidate, ChannelWish, View
from ._scripts import piece

NOT_OFFERED = 65
_HERE = f"command -v bootc >/dev/null || exit {NOT_HERE}; "
# bootc takes its credentials from here alone (crates/ostree-ext/src/globals.rs), so does what is asked for it.
_AUTH = (
    "for a in /run/ostree/auth.json /etc/ostree/auth.json /usr/lib/ostree/auth.json; do "
    '[ ! -f "$a" ] || { REGISTRY_AUTH_FILE=$a; export REGISTRY_AUTH_FILE; break; }; done; '
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
# What containers/image takes for a repository and a tag (distribution/reference/regexp.go), and its other transports.
_REPOSITORY = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)+")
_TAG = re.compile(r"\w[\w.-]{0,127}")
_OTHER_TRANSPORTS = ("containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive")

# Each says in its first group what is wrong, in the words of bootc, ostree-ext and containers/image.
_CAUSES = (
    (re.compile(r"(channel offers \S+ now)"), "it is not what the channel offers"),
    (re.compile(r"(A signature was required, but no signature exists)"), "it is not signed"),
    (
        re.compile(r"(cryptographic signature verification failed.*|Signature for identity .* is not accepted.*)"),
        "its signature is not accepted",
    ),
    (re.compile(r"(.*is rejected by policy.*|specifies a default of `insecureAcceptAnything`.*)"), "policy forbids it"),
    (re.compile(r"(contains local rpm-ostree modifications.*)"), "the host was changed with rpm-ostree"),
    (re.compile(r"(Insufficient free space.*|No space left on device.*|min-free-space-\S+.*)"), "the disk is full"),
    (re.compile(r"(manifest unknown.*|name unknown.*)"), "the registry does not have it"),
    (re.compile(r"(unauthorized.*|denied: .*)"), "the registry refuses the credentials in ostree/auth.json"),
    (
        re.compile(r"(pinging container registry .*|dial tcp .*|i/o timeout.*|toomanyrequests.*)"),
        "the registry does not answer as it should",
    ),
)


class Bootc:
    """The `bootc` driver."""

    name = "bootc"
    capabilities: tuple[str, ...] = ("guard", "stage")
    # rpm-ostree's timer deploys new images on a host of bootc just as well.
    # Zincati first: Fedora CoreOS runs it in image mode, too.
    updater_units: tuple[str, ...] = (
        "zincati.service",
        "bootc-fetch-apply-updates.timer",
        "bootc-fetch-apply-updates.service",
        "rpm-ostreed-automatic.timer",
        "rpm-ostreed-automatic.service",
    )
    lacks: Mapping[str, str] = {
        "kernel_arguments": "bootc takes them from the image (/usr/lib/bootc/kargs.d); build one that has them",
    }

    def probes(self) -> tuple[Step, ...]:
        return (
            # --json alone up to 0.1.13; both spellings give the same document.
            Step("bootc.status", f"{_HERE}bootc status --format=json 2>/dev/null || bootc status --json"),
            # A process that writes: bootc names itself so, wherever it was started from.
            Step(
                "bootc.busy",
                f"{_HERE}for p in /proc/[0-9]*; do c=; read -r c 2>/dev/null <$p/comm; "
                '[ "$c" != bootc ] || tr "\\0" " " 2>/dev/null <$p/cmdline; [ "$c" != bootc ] || echo; done; :',
            ),
        )

    def present(self, results: Results) -> bool:
        status = results["bootc.status"]
        if status.rc == NOT_HERE:
            return False
        # Where bootc is and gives no answer, no layer below it may take the host for its own: `observe` says why.
        try:
            return status.rc != 0 or parse_status(status.stdout).image_mode
        except CannotParse:
            return True

    def observe(self, results: Results) -> View:
        status = parse_status(results["bootc.status"].proven("read the deployments").stdout)
        staged = status.staged if status.staged and not status.staged.download_only else None
        queued = status.rollback if status.queued and staged is None else None
        return View(
            booted=_deployment(status.booted, Position.BOOTED),
            staged=_deployment(staged, Position.STAGED) or _deployment(queued, Position.PENDING),
            rollback=_deployment(status.rollback, Position.PENDING if queued else Position.ROLLBACK),
            deployments=_in_boot_order(status),
            channel=_channel(status.follows),
            busy=_busy(results["bootc.busy"]),
        )

    def offer_probe(self) -> Step:
        # Not `bootc upgrade --check`: where the image has been pulled before, it tells neither digest nor version.
        return Step(
            "offer",
            f"{_HERE}{self.guard_functions()}\n{_AUTH}"
            "i=$(bootc_slots | sed -n 's/^follows //p'); "
            '[ -n "$i" ] || { echo "the host follows no image" >&2; exit 1; }; '
            'shown=$(skopeo inspect --no-tags "$i") || exit 1; '
            'd=$(printf \'%s\' "$shown" | sed -n \'s/.*"Digest": *"\\([^"]*\\)".*/\\1/p\'); '
            # The very manifest that was shown, also when the tag moves in this moment.
            f'case $i in {DOCKER}://*) t=${{i##*/}}; i=${{i%"$t"}}${{t%%[:@]*}}@$d ;; esac; '
            f'printf \'%s\\n{RAW_MARK}\\n\' "$shown"; skopeo inspect --raw "$i"',
        )

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = _followed(state)
        return Candidate(*parse_offer(result.proven(f"ask {_reference(channel)} for updates").stdout))

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        if not _DIGEST.fullmatch(digest):
            raise Refused(f"cannot stage {digest}: the digest of an image is sha256: and 64 hexadecimal digits")
        if any(one.digest == digest and one.position is Position.DOWNLOADED for one in state.deployments):
            return "bootc upgrade --from-downloaded"
        image = quote(_reference(_followed(state)))
        # bootc deploys what the tag means at this moment. That this is `digest`, alone or in an index, is seen first.
        return (
            f"{_AUTH}now=$(skopeo inspect --no-tags --format '{{{{.Digest}}}}' {image}) || exit 1; "
            f'[ "$now" = {digest} ] || {{ raw=$(skopeo inspect --raw {image}) || exit 1; '
            f'case $raw in *\'"{digest}"\'*) ;; *) echo "channel offers $now now" >&2; exit {NOT_OFFERED} ;; esac; }}; '
            "bootc upgrade --quiet"
        )

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        channel = state.channel
        if channel is None:
            return tail(log) or None
        image = f"image {digest} of {_reference(channel)}" if digest else f"image {_reference(channel)}"
        for pattern, meaning in _CAUSES:
            found = pattern.search(log)
            if found:
                verification = channel.verification.value if channel.verification else "unknown"
                hint = "; to deploy exactly this one, follow it: update_channel with the digest as channel"
                hint = hint if "channel offers" in found[1] else ""
                return f"{image}: {meaning}: {found[1]}; verification: {verification}{hint}"
        return tail(log) or None

    def unstage(self, state: HostState) -> Step:
        staged = state.staged
        if staged is None:
            raise Refused("cannot unstage: nothing is staged")
        if staged.position is Position.PENDING:
            booted = state.booted.id if state.booted else ""
            return Step("unstage", f"{self.guard_functions()}\nmake_default {quote(booted)}", required=True)
        if "." not in staged.id:
            raise Refused(f"cannot unstage {staged.digest}: bootc has no command for it where composefs boots the host")
        # bootc itself drops it only by rolling back. While that file is there, what is staged is the first of all.
        return Step("unstage", "[ -e /run/ostree/staged-deployment ] && ostree admin undeploy 0", required=True)

    def guard_functions(self) -> str:
        return piece("bootc_guard.sh")

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        if state.rollback is None or target.id != state.rollback.id:
            raise Refused(
                f"cannot roll back to {target.digest}: bootc goes back to its rollback entry alone, which is "
                f"{state.rollback.digest if state.rollback else 'not there'}"
            )
        if target.origin is None:
            raise Refused(f"cannot roll back to {target.digest}: it is no container image, which bootc refuses")
        return Step("roll_back", f"{self.guard_functions()}\nmake_default {quote(target.id)}", required=True)

    def wanted_channel(self, before: Channel | None, wish: ChannelWish) -> Channel:
        if wish.keys is not None or wish.remote is not None:
            raise Refused("cannot give bootc keys or a remote: it trusts what /etc/containers/policy.json says")
        if wish.verification not in (None, Verification.POLICY, Verification.NONE):
            raise Refused(
                f"cannot make bootc verify with {wish.verification.value}: it knows policy (the image must satisfy "
                "/etc/containers/policy.json, which must not accept everything) and none"
            )
        source = wish.source or (before.source if before else None)
        if source is None:
            raise Refused("cannot set the update channel: what is followed now is not known; give source")
        transport, path = _split_source(source)
        kept = before if before and before.source and _split_source(before.source) == (transport, path) else None
        name = wish.name or (kept.name if kept else "latest" if transport == REGISTRY else None)
        if name is not None and not (_TAG.fullmatch(name) or _DIGEST.fullmatch(name)):
            raise Refused(f"cannot follow channel {name!r}: that is neither a tag nor the digest of an image")
        if transport == REGISTRY and not _REPOSITORY.fullmatch(path):
            raise Refused(f"cannot follow source {source!r}: that is no REGISTRY/REPOSITORY")
        # A new image is verified, unless the user says otherwise in so many words.
        verification = wish.verification or (kept.verification if kept else Verification.POLICY)
        remote = kept.remote if kept and verification is Verification.GPG else None
        return Channel(name, f"{DOCKER}://{path}" if transport == REGISTRY else source, verification, remote=remote)

    def switch_by_staging(self, state: HostState, wanted: Channel) -> str:
        if wanted.verification is Verification.GPG:
            raise Refused("cannot keep the signature of an ostree remote over a switch: give verification")
        transport, path = _split_source(wanted.source or "")
        enforce = " --enforce-container-sigpolicy" if wanted.verification is Verification.POLICY else ""
        image = _reference(replace(wanted, source=path))
        return f"bootc switch --quiet --transport {quote(transport)}{enforce} {quote(image)}"


def _in_boot_order(status: Status) -> tuple[Deployment, ...]:
    """What is only downloaded comes last: no boot takes it."""
    locked = status.staged is not None and status.staged.download_only
    staged = _deployment(status.staged, Position.DOWNLOADED if locked else Position.STAGED)
    booted = _deployment(status.booted, Position.BOOTED)
    queued = status.queued and (staged is None or locked)
    rollback = _deployment(status.rollback, Position.PENDING if queued else Position.ROLLBACK)
    order = [None if locked else staged, *((rollback, booted) if status.queued else (booted, rollback))]
    others = [_deployment(one, None) for one in status.others]
    return tuple(one for one in (*order, *others, staged if locked else None) if one is not None)


def _deployment(entry: Entry | None, position: Position | None) -> Deployment | None:
    if entry is None:
        return None
    return Deployment(
        id=entry.id,
        version=entry.version,
        digest=entry.digest or entry.checksum,
        origin=_reference(Channel(entry.image.name, entry.image.source, None)) if entry.image else None,
        position=position,
        pinned=entry.pinned,
    )


def _channel(follows: Image | None) -> Channel | None:
    if follows is None:
        return None
    verification = {"policy": Verification.POLICY, "remote": Verification.GPG, None: Verification.NONE}
    return Channel(follows.name, follows.source, verification[follows.signature], remote=follows.ostree_remote)


def _followed(state: HostState) -> Channel:
    if state.channel is None or state.channel.source is None:
        raise Refused(
            "cannot ask for updates: the next boot is no container image, or rpm-ostree has changed it; "
            "`rpm-ostree reset` undoes that"
        )
    return state.channel


def _reference(channel: Channel) -> str:
    """Return the image that a channel means: SOURCE:TAG or SOURCE@DIGEST."""
    if channel.name is None:
        return str(channel.source)
    return f"{channel.source}{'@' if ':' in channel.name else ':'}{channel.name}"


def _split_source(source: str) -> tuple[str, str]:
    """Return (transport in bootc's word, image) of a source. Without a transport it is a registry's."""
    if source.startswith(f"{DOCKER}://"):
        return REGISTRY, source.removeprefix(f"{DOCKER}://")
    transport, _colon, path = source.partition(":")
    return (transport, path) if transport in _OTHER_TRANSPORTS else (REGISTRY, source)


def _busy(result: Result) -> str | None:
    """Return the command line of a bootc that changes the host; `bootc status` disturbs nobody."""
    words = (line.split() for line in result.stdout.splitlines())
    writing = [" ".join(one) for one in words if {"upgrade", "update", "switch", "rollback", "edit"} & set(one)]
    return f"{writing[0]} is running" if writing else None
