# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-sysupdate: images whose versions stand side by side (partitions, files, UKIs), booted by systemd-boot.

Identity. sysupdate knows versions, and the SHA-256 of each file that a source's manifest lists. A digest here is the
SHA-256 of the version's boot entry (a UKI, or an entry of type #1): what names, and with dm-verity seals, all the
rest. A record on the host, written when a version is staged, keeps it where the source is compressed. The id of a
deployment is that of its boot entry, without counters.

Facts of the tools: systemd-sysupdate(8), sysupdate.d(5), bootctl(1), systemd-boot(7), systemd 257 src/sysupdate,
src/boot/boot.c (boot_entry_compare, config_select_default_entry, boot_entry_parse_tries).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._errors import CannotParse, FlotillaError, Refused, tail
from .._model.host import NOT_HERE, Result, Results, Step
from .._model.shell import print_files, quote, write_file
from .._model.state import Channel, Deployment, HostState, Position, UpdaterState, Verification
from .._parsers.sysupdate import (
    DROP_IN,
    FOLDERS,
    File,
    Known,
    Version,
    entry_id,
    parse_boot_files,
    parse_known,
    parse_offer,
    parse_transfers,
    parse_versions,
)
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._scripts import piece

STATE = "/var/lib/flotilla/sysupdate"
KEYRING = "/etc/systemd/import-pubring.gpg"
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Positive proof: the image has a version, and definitions here put boot entries in place. What is there for system
# extensions alone (Flatcar, a general-purpose distribution) has none.
_HERE = (
    "[ -x /usr/lib/systemd/systemd-sysupdate ] && grep -q '^IMAGE_VERSION=.' /etc/os-release 2>/dev/null && "
    f"grep -qsiE '^Path=.*(EFI/Linux|loader/entries)' {' '.join(f'{one}/*.transfer {one}/*.conf' for one in FOLDERS)} "
    f"|| exit {NOT_HERE}; "
)
# Each says in its first group what is wrong, in the words of sysupdate and systemd-pull.
_CAUSES = (
    (re.compile(r"(Failed to retrieve signature file.*)"), "its manifest is not signed"),
    (
        re.compile(r"(DOWNLOAD INVALID: Signature verification failed.*)"),
        "the signature of its manifest is not accepted",
    ),
    (re.compile(r"(DOWNLOAD INVALID: Checksum of .*)"), "it is not what the manifest says"),
    (
        # On a full disk it speaks of an input/output error.
        re.compile(
            r"(Failed to write file: .*|No available partition of a suitable size.*|.*not have enough .*slots.*)"
        ),
        "it cannot be written (is there room?)",
    ),
    (
        re.compile(r"(Transfer failed: .*|Premature connection termination.*|Download truncated.*)"),
        "the source does not answer as it should",
    ),
    (re.compile(r"(HTTP request to .* failed with code \d+.*)"), "the source does not have it"),
    (re.compile(r"(.*Device or resource busy.*)"), "the target is in use"),
    (re.compile(r"(Failed to allocate puller: .*)"), "systemd-pull cannot download (it needs libcurl)"),
    (re.compile(r"(Corrupt manifest at line .*|.*at manifest line .*)"), "its manifest cannot be read"),
)


class Sysupdate:
    """The `sysupdate` driver."""

    name = "sysupdate"
    capabilities: tuple[str, ...] = ("guard", "stage")
    updater_units: tuple[str, ...] = (
        "systemd-sysupdate.timer",
        "systemd-sysupdate-reboot.timer",
        "systemd-sysupdate.service",
        "systemd-sysupdate-reboot.service",
    )
    lacks: Mapping[str, str] = {
        "kernel_arguments": "they are part of the version's boot entry, and that of the next one brings its own",
    }
    channel_rules = ChannelRules(parts=("source",), verifications=(Verification.GPG, Verification.NONE))

    def probes(self) -> tuple[Step, ...]:
        guard, stage = _script("guard"), _script("stage")
        return (
            Step("sysupdate.running", f"{_HERE}sed -n 's/^IMAGE_VERSION=//p' /etc/os-release | tr -d \"\\\"'\""),
            Step(
                "sysupdate.versions",
                f'{_HERE}{stage}\nlisted=$("$SYSUPDATE" --offline --json=short list) || exit 1; '
                'printf "%s\\n" "$listed"; for version in $(versions "$listed"); do '
                '"$SYSUPDATE" --offline --json=short list "$version" || exit 1; done',
            ),
            Step("sysupdate.loader", f'{_HERE}{guard}\necho "booted $(booted_id)"; echo "next $(next_id)"'),
            Step(
                "sysupdate.files",
                f"{_HERE}{guard}\n"
                'boot_files | while IFS= read -r file; do seen=$(stat -c "%s %Y" "$file") || exit 1; sum=-; '
                'grep -qF "$(entry_id "$file") $seen " "$SYSUPDATE_STATE/known" 2>/dev/null || '
                'sum=$(sha256sum "$file" | cut -d " " -f 1); echo "$seen $sum $file"; done',
            ),
            Step("sysupdate.known", f"{_HERE}[ ! -f {STATE}/known ] || cat {STATE}/known"),
            Step("sysupdate.staged", f"{_HERE}[ ! -f {STATE}/staged ] || cat {STATE}/staged"),
            Step(
                "sysupdate.settings",
                _HERE + print_files(*(f"{one}/*.transfer {one}/*.conf {one}/*.d/*.conf" for one in FOLDERS)),
            ),
            Step(
                "sysupdate.keys",
                f"{_HERE}[ ! -f {STATE}/keys ] || "
                f"{{ cat {STATE}/keys; sha256sum {STATE}/keys.asc {KEYRING} 2>/dev/null; }}",
            ),
            Step(
                "sysupdate.busy",
                # The kernel keeps 15 characters of a process's name.
                f"{_HERE}for p in /proc/[0-9]*; do c=; read -r c 2>/dev/null <$p/comm; case $c in "
                'systemd-sysupda*) tr "\\0" " " 2>/dev/null <$p/cmdline; echo ;; esac; done; :',
            ),
        )

    def present(self, results: Results) -> bool:
        running = results["sysupdate.running"]
        return running.ok and bool(running.text)

    def observe(self, results: Results) -> View:
        goal = "read the installed versions"
        versions = parse_versions(results["sysupdate.versions"].proven(goal).stdout)
        files = {
            one.id: one for one in parse_boot_files(results["sysupdate.files"].proven("read the boot entries").stdout)
        }
        loader = results["sysupdate.loader"].proven("ask systemd-boot what runs")
        said = dict(line.partition(" ")[::2] for line in loader.stdout.splitlines())
        chosen, following = said.get("booted", ""), said.get("next", "")
        known = parse_known(results["sysupdate.known"].stdout)
        installed = [(one, _file(one, files)) for one in versions if one.installed and one.entry]
        there = [(one, file) for one, file in installed if file is not None]
        running = results["sysupdate.running"].text
        at = next((n for n, (one, file) in enumerate(there) if _runs(one, file, running, chosen)), None)
        marked = results["sysupdate.staged"].text
        staged_at = _staged(there, at, marked)
        rollback_at = _rollback(there, at, staged_at, following)
        found = [
            _deployment(one, file, known, _position(n, at, staged_at, rollback_at, file.id == following))
            for n, (one, file) in enumerate(there)
        ]
        booted = found[at] if at is not None else None
        other = found[rollback_at] if rollback_at is not None else None
        staged = found[staged_at] if staged_at is not None else None
        if other is not None and other.position is Position.PENDING:
            staged = staged or other
        return View(
            booted=booted,
            staged=staged,
            rollback=other if other is not None and other.position is Position.ROLLBACK else None,
            deployments=tuple(sorted(found, key=lambda one: one.id != following)),
            channel=_channel(results),
            busy=_busy(results["sysupdate.busy"]),
        )

    def offer_probe(self) -> Step:
        return Step("offer", f"{_HERE}{_script('guard')}\n{_script('stage')}\noffer")

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = state.channel
        asked = f"ask {channel.source if channel and channel.source else 'the sources'} for updates"
        if not result.ok:
            raise FlotillaError(f"cannot {asked}: {_cause(result.stderr) or tail(result.stderr) or 'no answer'}")
        found = parse_offer(result.stdout)
        if found is None:
            raise FlotillaError(f"cannot {asked}: no version is there that has all that the definitions ask for")
        if found.obsolete:
            raise FlotillaError(f"cannot {asked}: {found.version} is the newest, and MinVersion= says it is too old")
        if found.installed:
            here = next((one for one in state.deployments if one.version == found.version), None)
            if here is not None:
                return Candidate(here.digest, found.version)
        if found.digest is None:
            raise FlotillaError(f"cannot {asked}: {found.version} has no boot entry whose SHA-256 is known")
        return Candidate(found.digest, found.version)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        if not _DIGEST.fullmatch(digest):
            raise Refused(f"cannot stage {digest}: the SHA-256 of a boot entry is 64 hexadecimal digits")
        if state.native_updater.state is UpdaterState.ACTIVE:
            raise Refused(
                f"cannot stage {digest[:12]}: {state.native_updater.name} is {state.native_updater.state.value}, and "
                "may remove the way back, or reboot, at any time; hold it with native_updater first"
            )
        version = next((one.version or "" for one in state.deployments if one.digest == digest), "")
        how = state.channel.verification.value if state.channel and state.channel.verification else "unknown"
        call = f"stage {digest} {quote(version)} {int(allow_downgrade)} {how}"
        return "\n".join((_script("guard"), _script("stage"), call))

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        source = (state.channel.source if state.channel else None) or "its sources"
        found = re.search(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE)
        cause = _cause(log)
        if not found:
            return cause or tail(log) or None
        kind, words = found.groups()
        if kind == "not_offered":
            return f"{digest[:12]} is not what {source} offers: it offers {words.strip() or 'nothing'}"
        if kind == "update_failed":
            # The last words are ours.
            said = cause or tail(log.replace(found[0], ""), 3) or "systemd-sysupdate printed nothing"
            return f"{digest[:12]} from {source}: {said}"
        if kind == "took_nothing":
            return f"systemd-sysupdate ended well and installed nothing of {words} from {source}"
        if kind == "other_content":
            return f"{source} replaced {words} meanwhile: what was installed has another SHA-256, and is removed"
        return words

    def unstage(self, state: HostState) -> Step:
        if state.staged is None:
            raise Refused("cannot unstage: nothing is staged")
        call = f"unstage {quote(state.staged.id)}"
        return Step("unstage", f"{_script('guard')}\n{_script('stage')}\n{call}", required=True)

    def release(self, state: HostState, target: Deployment) -> Step:
        return Step("release", f"{_script('guard')}\n{_script('stage')}\nrelease {quote(target.id)}", required=True)

    def lock_again(self) -> str:
        call = 'lock_again "$(sed -n s/^target=//p /var/lib/flotilla/guard/armed)"'
        script = f"{_script('guard')}\n{_script('stage')}\n{call}"
        return f"sh -c {quote(script)}"

    def guard_functions(self) -> str:
        return _script("guard")

    def counter_functions(self) -> str:
        return _script("counter")

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        wanted = quote(target.id)
        script = f'{_script("guard")}\nmake_default {wanted} && settle {wanted} && rm -f "$SYSUPDATE_STATE/staged"'
        return Step("roll_back", script, required=True)

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        # "ASC RING" as written, then sha256sum of both files as they are.
        words = results["sysupdate.keys"].stdout.split()
        return words[0] if len(words) == 6 and words[:2] == [words[2], words[4]] else None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        if state.channel is not None and state.channel.source is None:
            raise Refused(
                "cannot set the update channel: the transfer definitions have different sources, or no URL for one; "
                f"give each a drop-in in /etc/sysupdate.d/NAME.transfer.d/{DROP_IN}"
            )
        verify = "no" if wish.verification is Verification.NONE else "yes"
        body = f"[Transfer]\nVerify={verify}\n\n[Source]\nPath={wish.source}\n"
        steps = []
        if wish.keys is not None:
            steps.append(Step("channel.keys", _keys(wish.keys), required=True))
        steps.append(
            Step(
                "channel.drop_ins",
                f"{_script('guard')}\n{_script('stage')}\n"
                'for name in $(definitions); do grep -qs "^Type=url-" "$(definition "$name")" || continue; '
                f'folder=/etc/sysupdate.d/$name.d; mkdir -p "$folder" && printf "%s" {quote(body)} '
                f'>"$folder/{DROP_IN}.new" && mv -f "$folder/{DROP_IN}.new" "$folder/{DROP_IN}" || exit 1; done; sync',
                required=True,
            )
        )
        return tuple(steps)


def _script(name: str) -> str:
    return piece(f"sysupdate_{name}.sh")


def _keys(keys: str) -> str:
    """Return sh that makes the key the host's only one for downloads: gpg reads rings that are binary."""
    return (
        f"{write_file(f'{STATE}/keys.asc', keys)} && home=$(mktemp -d) && "
        f'gpg --batch --no-options --homedir "$home" --dearmor <{STATE}/keys.asc >{KEYRING}.new && '
        f'rm -rf "$home" && mv -f {KEYRING}.new {KEYRING} && '
        f"{{ sha256sum {STATE}/keys.asc; sha256sum {KEYRING}; }} | cut -d ' ' -f 1 | tr '\\n' ' ' >{STATE}/keys"
    )


def _file(version: Version, files: Mapping[str, File]) -> File | None:
    return files.get(entry_id(version.entry or ""))


def _runs(version: Version, file: File, running: str, booted: str) -> bool:
    """The image says it, and systemd-boot says that it chose that entry."""
    return version.version == running and file.id == booted


There = list[tuple[Version, File]]


def _staged(there: There, at: int | None, marked: str) -> int | None:
    """Return what is staged: what we have marked; else what is newer than what runs, and was never marked good."""
    for n, (version, file) in enumerate(there):
        if n == at or version.incomplete or file.tries_left == 0:
            continue
        if file.id == marked or (at is not None and n < at and file.tries_left is not None):
            return n
    return None


def _rollback(there: There, at: int | None, staged: int | None, following: str) -> int | None:
    """Return the way back: what boots next, if that is another one; else the next older one; else a newer one."""
    if at is None:
        return None
    fit = [
        n
        for n, (version, file) in enumerate(there)
        if n not in (at, staged) and not version.incomplete and file.tries_left != 0
    ]
    order = sorted(fit, key=lambda n: (there[n][1].id != following, n < at, abs(n - at)))
    return order[0] if order else None


def _position(n: int, at: int | None, staged: int | None, rollback: int | None, follows: bool) -> Position | None:
    if n == at:
        return Position.BOOTED
    if n == staged:
        return Position.STAGED
    if n == rollback:
        return Position.PENDING if follows else Position.ROLLBACK
    return None


def _deployment(
    version: Version, file: File, known: Mapping[tuple[str, int, int], Known], position: Position | None
) -> Deployment:
    record = known.get((file.id, file.size, file.mtime))
    digest = record.digest if record else file.sha256
    if digest is None:
        raise CannotParse("the list of boot entries", f"{file.path} has no SHA-256")
    verified = {"gpg": True, "none": False}.get(record.how) if record else None
    return Deployment(file.id, version.version, digest, origin=None, position=position, verified=verified)


def _channel(results: Results) -> Channel:
    """Return the one source of all transfers that download; none where they differ, or all of them are local."""
    transfers = parse_transfers(results["sysupdate.settings"].stdout)
    remote = [one for one in transfers if one.kind and one.kind.startswith("url-")]
    sources = {one.source for one in remote}
    verified = all(one.verify for one in remote) if remote else False
    source = sources.pop() if len(sources) == 1 else None
    return Channel(None, source, Verification.GPG if verified else Verification.NONE)


def _cause(log: str) -> str | None:
    for pattern, meaning in _CAUSES:
        found = pattern.search(log)
        if found:
            return f"{meaning}: {found[1].strip()}"
    return None


def _busy(result: Result) -> str | None:
    """Return the command line of a systemd-sysupdate that changes the host."""
    words = (line.split() for line in result.stdout.splitlines())
    changing = [" ".join(one) for one in words if {"update", "acquire", "vacuum", "cleanup"} & set(one)]
    return f"{changing[0]} is running" if changing else None
