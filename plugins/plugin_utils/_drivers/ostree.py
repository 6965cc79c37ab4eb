# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain OSTree: hosts whose OS is deployed by `ostree admin`, with neither rpm-ostree nor bootc managing it.

Facts of the tool: ostree-admin-*(1), ostree.repo-config(5), ostreedev/ostree src/ostree/ot-admin-*.c.
"""

from __future__ import annotations

import re
import shlex

from .._errors import FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import print_files, quote
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers import ostree_errors
from .._parsers.gvariant import parse_strings
from .._parsers.ostree import Entry, Remote, parse_loader_entries, parse_remotes, parse_status, parse_summary
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._remotes import keys_probe, remote_steps, remotes_probe, trusted_keys
from ._scripts import piece


class OSTree:
    """The `ostree` driver."""

    name = "ostree"
    capabilities: tuple[str, ...] = ("guard", "stage")
    # Endless OS, Torizon, and the timer that the embedded lab ships.
    updater_units: tuple[str, ...] = (
        "eos-autoupdater.timer",
        "eos-autoupdater.service",
        "aktualizr-torizon.service",
        "lab-autoupdate.timer",
        "lab-autoupdate.service",
    )
    channel_rules = ChannelRules()

    def probes(self) -> tuple[Step, ...]:
        here = f"[ -e /run/ostree-booted ] && command -v ostree >/dev/null || exit {NOT_HERE}; "
        return (
            # --json since 2025.3; before it, an unknown option is refused at once.
            Step("ostree.status", here + "ostree admin status --json 2>/dev/null || ostree admin status"),
            # bootc may be installed where it manages nothing; where it does, its driver was asked before.
            Step("ostree.others", "command -v rpm-ostree || :"),
            Step("ostree.remotes", here + remotes_probe()),
            Step("ostree.keys", keys_probe()),
            Step("ostree.entries", here + print_files("/boot/loader/entries/*.conf")),
            # The entry of a staged deployment is written at shutdown; until then its arguments stand in here only.
            Step(
                "ostree.staged",
                "[ ! -e /run/ostree/staged-deployment ] || od -An -v -tx1 /run/ostree/staged-deployment",
            ),
        )

    def present(self, results: Results) -> bool:
        return results["ostree.status"].rc != NOT_HERE and not results["ostree.others"].text

    def observe(self, results: Results) -> View:
        entries = parse_status(results["ostree.status"].proven("read the deployments").stdout)
        remotes = parse_remotes(results["ostree.remotes"].stdout)
        booted = next((entry for entry in entries if entry.booted), None)
        staged = next((entry for entry in entries if entry.position in ("staged", "pending")), None)
        return View(
            booted=_deployment(booted),
            staged=_deployment(staged),
            rollback=_deployment(_rollback(entries)),
            deployments=tuple(_known(entry) for entry in entries),
            channel=_channel(booted, remotes),
            next_kernel_arguments=_next_kernel_arguments(results),
        )

    def offer_probe(self) -> Step:
        # The refspec of the booted deployment; `remote summary` fetches the signed list of branches and no more.
        return Step(
            "offer",
            "r=$(ostree admin status | sed -n '/^\\*/,/^[* ]*[^ ]* [0-9a-f]\\{64\\}\\.[0-9]* /"
            "{s/^ *origin refspec: \\([^:]*\\):.*/\\1/p}' | head -n 1); "
            '[ -n "$r" ] || { echo "the booted deployment follows no remote" >&2; exit 1; }; '
            'ostree remote summary "$r"',
        )

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = _followed(state)
        goal = f"ask remote {channel.remote} ({channel.source}) for channel {channel.name}"
        found = parse_summary(result.proven(goal).stdout, str(channel.name))
        if found is None:
            raise FlotillaError(f"cannot {goal}: it offers no such branch")
        return Candidate(*found)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        channel = _followed(state)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused(f"cannot stage {digest}: an OSTree commit is 64 hexadecimal digits")
        downgrade = " --allow-downgrade" if allow_downgrade else ""
        branch = quote(f"{channel.remote}:{channel.name}")
        metadata = (
            f"ostree pull --commit-metadata-only {quote(str(channel.remote))} {quote(f'{channel.name}@{digest}')}"
        )
        # A branch that was never pulled is unknown to `upgrade` ("Refspec ... not found"): its commit goes first.
        # What is trusted is told where the reason is: in the log of the failure.
        return (
            f"{{ ostree rev-parse {branch} >/dev/null 2>&1 || {metadata}; }} && "
            f"ostree admin upgrade --stage --override-commit={digest}{downgrade} || {{ rc=$?; "
            f"echo 'trusted keys:'; ostree remote gpg-list-keys {quote(str(channel.remote))} 2>/dev/null "
            f"| sed -n 's/^ *Key: *//p'; exit $rc; }}"
        )

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        channel = _followed(state)
        failure, _sep, keys = log.partition("trusted keys:")
        trusted = ", ".join(keys.split()) or "none"
        cause = ostree_errors.meaning_of(failure, ostree_errors.OSTREE)
        if cause:
            return (
                f"commit {digest} of {channel.remote}:{channel.name} ({channel.source}): {cause}; "
                f"verification: {channel.verification.value if channel.verification else 'unknown'}, "
                f"keys trusted for remote {channel.remote}: {trusted}"
            )
        return tail(failure) or None

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        index = [deployment.id for deployment in state.deployments].index(state.staged.id)
        return Step.of("unstage", "ostree", "admin", "undeploy", str(index), required=True)

    def guard_functions(self) -> str:
        return piece("ostree_guard.sh")

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        # What is staged would become the default again while the host shuts down.
        drop = "[ ! -e /run/ostree/staged-deployment ] || ostree admin undeploy 0 || exit 1"
        return Step("roll_back", f"{self.guard_functions()}\n{drop}\nmake_default {quote(target.id)}", required=True)

    def set_kernel_arguments(self, state: HostState, add: tuple[str, ...], remove: tuple[str, ...]) -> str:
        if state.booted is None:
            raise Refused("cannot set kernel arguments: the deployment that runs is not known")
        options = [*(f"--karg-append={arg}" for arg in add), *(f"--karg-delete={arg}" for arg in remove)]
        # A new deployment of the very commit that runs, with other arguments: the old one stays, as the way back.
        stateroot = "$(ostree admin status | sed -n 's/^\\* \\([^ ]*\\) .*/\\1/p')"
        origin = f"--origin-file=/ostree/deploy/{stateroot}/deploy/{state.booted.id}.origin"
        return f"ostree admin deploy --stage {origin} {shlex.join([*options, state.booted.digest])}"

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return trusted_keys(results["ostree.keys"], channel)

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        before = state.channel or Channel(None, None, None)
        remote, name = wish.remote or before.remote, wish.name or before.name
        source = wish.source or before.source
        verification = wish.verification or before.verification or Verification.GPG
        if not (remote and name and source):
            raise Refused(
                "cannot switch the channel: it needs a remote, a branch and a URL; "
                f"known are {remote}, {name}, {source}"
            )
        return (
            *remote_steps(remote, source, verification, wish.keys),
            Step.of("channel.origin", "ostree", "admin", "set-origin", remote, source, name, required=True),
        )


def _next_kernel_arguments(results: Results) -> tuple[str, ...] | None:
    staged = results["ostree.staged"]
    if staged.text:
        return parse_strings(staged.text, "kargs")
    return parse_loader_entries(results["ostree.entries"].stdout)


def _rollback(entries: tuple[Entry, ...]) -> Entry | None:
    """The first deployment after the booted one in boot order; after a fallback, where the default is still the bad
    tree, there may be none."""
    booted = next((index for index, entry in enumerate(entries) if entry.booted), None)
    return entries[booted + 1] if booted is not None and booted + 1 < len(entries) else None


def _deployment(entry: Entry | None) -> Deployment | None:
    return None if entry is None else _known(entry)


def _known(entry: Entry) -> Deployment:
    position = Position.BOOTED if entry.booted else Position(entry.position) if entry.position else None
    return Deployment(
        position=position,
        id=entry.id,
        version=entry.version,
        digest=entry.checksum,
        origin=entry.refspec,
        pinned=entry.pinned,
        verified=entry.good_signature,
    )


def _channel(booted: Entry | None, remotes: dict[str, Remote]) -> Channel | None:
    if booted is None or booted.refspec is None:
        return None
    remote_name, colon, branch = booted.refspec.rpartition(":")
    if not colon:
        return Channel(branch, None, None)
    remote = remotes.get(remote_name)
    return Channel(branch, remote.url if remote else None, remote.verification if remote else None, remote=remote_name)


def _followed(state: HostState) -> Channel:
    if state.channel is None or state.channel.remote is None:
        origin = state.booted.origin if state.booted else None
        raise Refused(
            f"cannot ask for updates: the booted deployment's origin is {origin}, which names no remote; "
            "set one with update_channel"
        )
    return state.channel
