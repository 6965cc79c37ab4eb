# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain OSTree: hosts whose OS is deployed by `ostree admin`, with neither rpm-ostree nor bootc above it.

Facts of the tool: ostree-admin-*(1), ostree.repo-config(5), ostreedev/ostree src/ostree/ot-admin-*.c.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from .._errors import FlotillaError, Refused, tail
from .._model.host import Result, Results, Step
from .._model.shell import print_files, quote, write_file
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers.gvariant import parse_strings
from .._parsers.ostree import Entry, Remote, parse_loader_entries, parse_remotes, parse_status, parse_summary
from ._protocol import Candidate, ChannelRules, ChannelWish, View

REMOTES_DIR = "/etc/ostree/remotes.d"
# Exit code of a probe on a host that this driver is not for.
NOT_HERE = 3

# Each says in its first group what is wrong, as ostree words it (src/libostree/ostree-repo-pull-verify.c and others).
_CAUSES = (
    (re.compile(r"(GPG verification enabled, but no signatures found)"), "it is not signed"),
    (
        re.compile(r"(Can't check signature: public key not found)"),
        "it is signed by a key that the remote does not trust",
    ),
    (re.compile(r"(Corrupted commit object; checksum expected=\S+ actual=\S+)"), "it was tampered with"),
    (re.compile(r"(Corrupted \w+ object; checksum expected=\S+ actual=\S+)"), "its content was tampered with"),
    (re.compile(r"(BAD signature from .*)"), "its signature is wrong"),
    (re.compile(r"(ed25519: .*|no signatures found.*)"), "its signature is not accepted"),
    (re.compile(r"(min-free-space-\S+ '[^']*' would be exceeded.*|No space left on device.*)"), "the disk is full"),
    (re.compile(r"(While fetching \S+: .*|Server returned HTTP \d+.*)"), "the remote does not answer as it should"),
    (
        re.compile(r"(Upgrade target revision .* is chronologically older.*)"),
        "it is older than what runs; allow_downgrade",
    ),
)


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
            Step("ostree.others", "command -v rpm-ostree bootc || :"),
            # --json since 2025.3; before it, an unknown option is refused at once.
            Step("ostree.status", here + "ostree admin status --json 2>/dev/null || ostree admin status"),
            Step("ostree.remotes", here + print_files(f"{REMOTES_DIR}/*.conf", "/ostree/repo/config")),
            Step("ostree.keys", f"! ls {REMOTES_DIR}/*.asc >/dev/null 2>&1 || sha256sum {REMOTES_DIR}/*.asc"),
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
        for pattern, meaning in _CAUSES:
            found = pattern.search(failure)
            if found:
                return (
                    f"commit {digest} of {channel.remote}:{channel.name} ({channel.source}): {meaning}: {found[1]}; "
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
        return Path(__file__).with_name("ostree_guard.sh").read_text(encoding="utf-8")

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
        path = f"{REMOTES_DIR}/{channel.remote}.asc"
        return next(
            (line.split()[0] for line in results["ostree.keys"].stdout.splitlines() if line.endswith(path)), None
        )

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
        path = f"{REMOTES_DIR}/{remote}.conf"
        key_path = f"{REMOTES_DIR}/{remote}.asc"
        lines = [f'[remote "{remote}"]', f"url={source}"]
        lines.append(f"gpg-verify={str(verification is Verification.GPG).lower()}")
        if verification is Verification.SIGN:
            lines.append("sign-verify=true")
        steps = []
        if wish.keys is not None:
            steps.append(Step("channel.keys", write_file(key_path, wish.keys), required=True))
        # An existing file keeps what it says beyond our keys (proxy, TLS): only ours are replaced.
        ours = "url|gpg-verify|sign-verify" + ("|gpgkeypath" if wish.keys is not None else "")
        if wish.keys is not None:
            lines.append(f"gpgkeypath={key_path}")
        body = "\n".join(lines) + "\n"
        steps += [
            Step(
                "channel.remote",
                f"mkdir -p {REMOTES_DIR} && {{ printf '%s' {quote(body)}; "
                f"[ ! -f {quote(path)} ] || sed -E '/^\\[/d; /^({ours})=/d' {quote(path)}; }} >{quote(path)}.new && "
                f"{{ sync {quote(path)}.new 2>/dev/null || sync; }} && mv -f {quote(path)}.new {quote(path)}",
                required=True,
            ),
            Step.of("channel.origin", "ostree", "admin", "set-origin", remote, source, name, required=True),
        ]
        return tuple(steps)


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
