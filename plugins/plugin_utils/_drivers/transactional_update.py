# SPDX-License-Identifier: GPL-3.0-or-later
"""transactional-update: openSUSE MicroOS, Leap Micro, SLE Micro and SL Micro, whose root is a read-only btrfs snapshot.

Identity. A snapshot has a number and, as a version, what its os-release says, which many snapshots may have in common.
What it consists of are packages. So a digest is the SHA-256 over these (`transactional_update_content.sh`); what the
repositories offer has one, too, by what zypper says it would do. A snapshot whose packages cannot be read is no
deployment.

Facts of the tools: transactional-update(8), snapper(8); openSUSE/transactional-update sbin/transactional-update.in,
lib/, snapper/50-etc, dracut/; docs/families/transactional_update.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import print_files, quote
from .._model.state import Channel, Deployment, HostState, Position, Verification
from .._parsers.snapper import Snapshot, parse_snapshots
from .._parsers.transactional_update import (
    Content,
    parse_contents,
    parse_default,
    parse_offer,
    parse_root,
    parse_staged,
)
from .._parsers.zypp import parse_repositories
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._scripts import piece

STAGED = "/var/lib/flotilla/transactional_update/staged"
REPOSITORIES = "/etc/zypp/repos.d"
# zypp.conf: the vendor's where /etc has none, then the administrator's, whose word counts.
_ZYPP_CONF = ("/usr/etc/zypp/zypp.conf", "/etc/zypp/zypp.conf")
_COLUMNS = "number,default,active,description,userdata"
# Between what `Channel` has in one word and the OS in several.
_AND = "+"
_ALIAS = re.compile(r"[\w.-]+")

# Each says in its first group what is wrong, in the words of transactional-update, zypper and libzypp.
_CAUSES = (
    (
        re.compile(
            r"(Couldn't get lock.*|Another instance of tukit is already running.*|"
            r"System management is locked by the application.*)"
        ),
        "the host is busy",
    ),
    (
        re.compile(r"(.*No space left on device.*|.*disk space.*|.*needs \S+ (?:more space )?on the \S+ filesystem.*)"),
        "the disk is full",
    ),
    (
        re.compile(
            r"(.*Signature verification failed.*|.*is signed with an unknown key.*|.*is unsigned.*|"
            r".*Signature does not verify.*|.*public key is not available.*)"
        ),
        "its signature is not accepted",
    ),
    (
        re.compile(r"(Download \(curl\) error(?:.|\n)*?)(?:\s+Please (?:check|see) |\s*\n\s*\n|$)"),
        "the repository does not answer as it should",
    ),
    (re.compile(r"(File '.*' not found on medium.*)"), "the repository does not have it any more"),
    (
        re.compile(r"(.*Valid metadata not found.*|Timeout exceeded when accessing.*)"),
        "the repository does not answer as it should",
    ),
)


class TransactionalUpdate:
    """The `transactional_update` driver."""

    name = "transactional_update"
    capabilities: tuple[str, ...] = ("guard", "stage")
    # The timer updates every night; rebootmgr reboots for it, in its window. transactional-update-cleanup.timer stays.
    updater_units: tuple[str, ...] = (
        "transactional-update.timer",
        "transactional-update.service",
        "rebootmgr.service",
    )
    channel_rules = ChannelRules(
        parts=("name", "source"), verifications=(Verification.GPG, Verification.NONE), keys=False
    )
    lacks: Mapping[str, str] = {
        "kernel_arguments": "they are written into a snapshot with the boot loader's menu (`transactional-update "
        "grub.cfg`, or /etc/kernel/cmdline with sdbootutil), which this driver does not do",
    }

    def probes(self) -> tuple[Step, ...]:
        here = (
            f"[ -d /.snapshots ] && command -v transactional-update >/dev/null && command -v snapper >/dev/null && "
            f"command -v btrfs >/dev/null || exit {NOT_HERE}; "
        )
        listed = f"list --columns {_COLUMNS}"
        snapper = "s=snapper; [ -S /run/dbus/system_bus_socket ] || s='snapper --no-dbus'; "
        return (
            Step("transactional_update.running", f"{here}{_FSROOT}"),
            Step("transactional_update.default", f"{here}btrfs subvolume get-default /"),
            # --jsonout since 0.8.10; before it, an unknown option is refused at once.
            Step(
                "transactional_update.snapshots",
                f"{here}{snapper}$s --jsonout {listed} 2>/dev/null || $s --csvout {listed}",
            ),
            Step("transactional_update.contents", f"{_GUARD}{_CONTENT}{here}contents"),
            Step("transactional_update.staged", f"{here}[ ! -f {STAGED} ] || cat {STAGED}"),
            Step("transactional_update.repositories", here + print_files(*_ZYPP_CONF, f"{REPOSITORIES}/*.repo")),
            Step(
                "transactional_update.busy",
                f"{here}for t in transactional-update zypp; do p=; read -r p _rest 2>/dev/null </run/$t.pid; "
                '[ -z "$p" ] || ! kill -0 "$p" 2>/dev/null || echo "$t (process $p) is at work"; done',
            ),
        )

    def present(self, results: Results) -> bool:
        """Nothing else boots a snapshot of snapper's: a folder /ostree, or a tool that manages nothing, says less."""
        running = results["transactional_update.running"]
        return running.rc == 0 and parse_root(running.stdout) is not None

    def observe(self, results: Results) -> View:
        running = parse_root(results["transactional_update.running"].stdout)
        if running is None:
            raise CannotParse("the output of `findmnt`", "what is mounted at / is no snapshot")
        following = parse_default(results["transactional_update.default"].proven("read the next boot").stdout)
        listed = {
            one.number: one
            for one in parse_snapshots(results["transactional_update.snapshots"].proven("list the snapshots").stdout)
        }
        contents = parse_contents(
            results["transactional_update.contents"].proven("read the snapshots' packages").stdout
        )
        for number in (running, following):
            if number not in listed:
                raise CannotParse("the output of `snapper list`", f"snapshot {number}, which is in use, is not in it")
        waiting = _waiting(running, following, parse_staged(results["transactional_update.staged"].stdout))
        back = _way_back(running, listed, contents)
        # Of two that a snapshot has, the last one counts.
        places = {waiting: Position.STAGED, back: Position.ROLLBACK, following: Position.PENDING}
        places[running] = Position.BOOTED
        known = {
            number: _deployment(number, content, places.get(number))
            for number, content in contents.items()
            if number in listed and not listed[number].unfinished
        }
        if following != running and following not in known:
            raise CannotParse("the contents of the snapshots", f"snapshot {following} boots next, and is not in them")
        order = dict.fromkeys((following, running, waiting, back, *sorted(known, reverse=True)))
        busy = results["transactional_update.busy"].text
        return View(
            booted=known.get(running),
            staged=known.get(waiting or 0),
            rollback=known.get(back or 0),
            deployments=tuple(known[number] for number in order if number in known),
            channel=_channel(results),
            busy=busy.split("\n")[0] or None,
        )

    def offer_probe(self) -> Step:
        here = f"command -v transactional-update >/dev/null && command -v zypper >/dev/null || exit {NOT_HERE}"
        return Step("offer", f"{_GUARD}{_CONTENT}{_OFFER}{here}\noffer")

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = _followed(state)
        if not result.ok:
            said = result.stderr
            raise FlotillaError(f"cannot ask {_asked(channel)} for updates: {_cause(said) or tail(said) or result.rc}")
        return Candidate(*parse_offer(result.stdout))

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        _followed(state)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused(f"cannot stage {digest}: the digest of a snapshot is 64 hexadecimal digits")
        return _program(f"stage {digest} {int(allow_downgrade)}")

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        channel = _followed(state)
        found = re.search(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE)
        if not found:
            return tail(log) or None
        kind, words = found.groups()
        verification = channel.verification.value if channel.verification else "unknown"
        if kind == "no_answer":
            return f"{_asked(channel)} gives no answer: {_cause(words) or words}; verification: {verification}"
        if kind == "not_offered":
            offered = re.search(r"digest ([0-9a-f]{12})[0-9a-f]* version (\S+)", words)
            instead = f"{offered[2]} ({offered[1]})" if offered else words
            return f"snapshot {digest[:12]} is not what {_asked(channel)} offers: it offers {instead}"
        if kind == "tool_failed":
            cause = _cause(log[: found.start()]) or tail(log[: found.start()], 4)
            return f"from {_asked(channel)}: {cause or words}; {words}; verification: {verification}"
        return words

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        return _step("unstage", f"unstage {quote(state.staged.id)}")

    def guard_functions(self) -> str:
        return _GUARD

    def release(self, state: HostState, target: Deployment) -> Step:
        return _step("release", f"release {quote(target.id)}")

    def lock_again(self) -> str:
        return f"sh -c {quote(_program('lock_again'))}"

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        return _step("roll_back", f"go_back {quote(target.id)}")

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        return None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        name, source = wish.name or "", wish.source or ""
        before = state.channel.name if state.channel else None
        if not _ALIAS.fullmatch(name):
            raise Refused(f"cannot follow repository {name!r}: the alias of one has letters, digits, dots and dashes")
        if " " in source:
            raise Refused(f"cannot follow repository {name}: {before} are several; give source")
        if ":" in (before or ""):
            raise Refused(
                f"cannot follow repository {name}: {before} belongs to a service, which would bring it back; "
                "disable the service first (zypper modifyservice --disable)"
            )
        key, url = (
            ("mirrorlist", source.removeprefix("mirrorlist=")) if "mirrorlist=" in source else ("baseurl", source)
        )
        verified = wish.verification is not Verification.NONE
        checks = "gpgcheck=1" if verified else "gpgcheck=0\nrepo_gpgcheck=0\npkg_gpgcheck=0"
        section = f"[{name}]\nname={name}\nenabled=1\nautorefresh=1\n{key}={url}\n{checks}"
        return (
            Step(
                "channel.repositories",
                f"{_REPOSITORIES}\nfollow_only {REPOSITORIES} {quote(name)} {quote(section)}",
                required=True,
            ),
        )


def _script(name: str) -> str:
    return piece(f"transactional_update_{name}.sh")


_GUARD, _CONTENT, _OFFER, _STAGE, _REPOSITORIES = (
    _script(name) for name in ("guard", "content", "offer", "stage", "repositories")
)
_FSROOT = "findmnt --target / --raw --noheadings --output FSROOT --first-only --direction backward --types btrfs"


def _program(call: str) -> str:
    return "\n".join((_GUARD, _CONTENT, _OFFER, _STAGE, call))


def _step(name: str, call: str) -> Step:
    return Step(name, _program(call), required=True)


def _waiting(running: int, following: int, staged: int | None) -> int | None:
    """The snapshot that waits to be booted: what boots next by itself counts more than what we have put aside."""
    if following != running:
        return following
    return staged if staged != running else None


def _way_back(running: int, listed: Mapping[int, Snapshot], contents: Mapping[int, Content]) -> int | None:
    """The snapshot that the running one was made of."""
    base = listed[running].base if running in listed else None
    if base is None or base not in listed or base not in contents or listed[base].unfinished:
        return None
    return base


def _deployment(number: int, content: Content, position: Position | None) -> Deployment:
    return Deployment(str(number), content.version, content.digest, None, position)


def _channel(results: Results) -> Channel | None:
    followed = parse_repositories(results["transactional_update.repositories"].stdout)
    if not followed:
        return None
    verified = all(one.verified for one in followed)
    return Channel(
        name=_AND.join(one.alias for one in followed),
        source=" ".join(one.url for one in followed if one.url) or None,
        verification=Verification.GPG if verified else Verification.NONE,
    )


def _followed(state: HostState) -> Channel:
    if state.channel is None:
        raise Refused(
            f"cannot ask for updates: no repository is enabled in {REPOSITORIES}; set one with update_channel"
        )
    return state.channel


def _asked(channel: Channel) -> str:
    return f"{channel.name} ({channel.source})"


def _cause(said: str) -> str | None:
    for pattern, meaning in _CAUSES:
        found = pattern.search(said)
        if found:
            return f"{meaning}: {' '.join(found[1].split())}"
    return None
