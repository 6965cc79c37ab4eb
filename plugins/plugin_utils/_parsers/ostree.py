# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ostree` prints: status as JSON (2025.3 and later) or text, remotes, the summary, boot loader entries.

Sources: ostreedev/ostree src/ostree/ot-admin-builtin-status.c, ostree-repo-config(5), ot-dump.c, ostree-bls(5).
"""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import dataclass, replace

from .._errors import CannotParse
from .._model.state import Verification
from .files import split_files


@dataclass(frozen=True)
class Entry:
    """One deployment. `position` is the tool's own word: staged, pending, rollback, or None."""

    stateroot: str
    checksum: str
    serial: int
    booted: bool
    position: str | None
    version: str | None = None
    refspec: str | None = None
    pinned: bool = False
    good_signature: bool | None = None

    @property
    def id(self) -> str:
        return f"{self.checksum}.{self.serial}"


@dataclass(frozen=True)
class Remote:
    """A section of a remotes.d file or of the repo's own config. `path` is the file that it stands in."""

    name: str
    url: str | None
    verification: Verification
    path: str
    gpg_key_path: str | None = None


_HEAD = re.compile(
    r"^\s*(?P<star>\*)?\s*(?P<stateroot>\S+) (?P<checksum>[0-9a-f]{64})\.(?P<serial>\d+)"
    r"(?P<locked> \(finalization locked\))?(?: \((?P<position>staged|pending|rollback)\))?(?: \(soft-reboot\))?$"
)
_PHOTON_OR_INDENTED = re.compile(r"^\s+|^(Version|origin|Unlocked|Pinned|GPG)")


def parse_status(text: str) -> tuple[Entry, ...]:
    """Return the deployments in boot order, from `ostree admin status --json` or the text of the same command.

    Raises CannotParse.
    """
    if text.lstrip().startswith("{"):
        return _parse_status_json(text)
    if text.strip() == "No deployments.":
        return ()
    entries: list[Entry] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        head = _HEAD.match(line)
        if head:
            locked = "staged" if head["locked"] else None
            entries.append(
                Entry(
                    head["stateroot"],
                    head["checksum"],
                    int(head["serial"]),
                    booted=bool(head["star"]),
                    position=head["position"] or locked,
                )
            )
            continue
        if not entries or not _PHOTON_OR_INDENTED.match(line):
            raise CannotParse("the output of `ostree admin status`", "unknown line", line)
        entries[-1] = _with_detail(entries[-1], line.strip())
    if not entries:
        raise CannotParse("the output of `ostree admin status`", "it names no deployment")
    # Each deployment has a line about its origin, if only "origin: none"; the output ends with a line's end.
    origins = sum(line.lstrip().startswith("origin") for line in text.splitlines())
    if not text.endswith("\n") or origins < len(entries):
        raise CannotParse("the output of `ostree admin status`", "it ends too early", text[-80:])
    return tuple(entries)


def _with_detail(entry: Entry, line: str) -> Entry:
    key, _colon, value = line.partition(":")
    value = value.strip()
    if key == "Version":
        return replace(entry, version=value)
    if key == "origin refspec":
        return replace(entry, refspec=value)
    if key == "Pinned":
        return replace(entry, pinned=value == "yes")
    if key == "GPG" and value.startswith("Good signature"):
        return replace(entry, good_signature=True)
    if key == "GPG" and (value.startswith("BAD") or "Can't check signature" in value):
        return replace(entry, good_signature=bool(entry.good_signature))
    return entry  # Unlocked, origin: none, `- source title, further lines about a signature


def _parse_status_json(text: str) -> tuple[Entry, ...]:
    try:
        listed = json.loads(text)["deployments"]
        return tuple(
            Entry(
                stateroot=str(item["stateroot"]),
                checksum=_checksum(item["checksum"]),
                serial=int(item["serial"]),
                booted=_flag(item, "booted"),
                position=next((word for word in ("staged", "pending", "rollback") if _flag(item, word)), None),
                version=item.get("version"),
                refspec=item.get("refspec"),
                pinned=_flag(item, "pinned"),
            )
            for item in listed
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CannotParse("the output of `ostree admin status --json`", f"{type(exc).__name__}: {exc}") from exc


def _checksum(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"not a checksum: {value!r}")
    return value


def _flag(item: dict[str, object], key: str) -> bool:
    value = item.get(key, False)
    if not isinstance(value, bool):
        raise TypeError(f"{key} is not true or false")
    return value


def parse_remotes(text: str) -> dict[str, Remote]:
    """Return the remotes by name, from the printed config files.

    The same name in two files is an error for ostree itself ("Multiple specifications found for remote").
    Raises CannotParse.
    """
    remotes: dict[str, Remote] = {}
    for path, content in split_files(text):
        config = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
        try:
            config.read_string(content)
        except configparser.Error as exc:
            raise CannotParse(path, str(exc).splitlines()[0]) from exc
        for section in config.sections():
            found = re.fullmatch(r'remote "(.+)"', section)
            if not found:
                continue
            options = config[section]
            name = found[1]
            if name in remotes:
                raise CannotParse(path, f"remote {name} stands in {remotes[name].path} as well")
            remotes[name] = Remote(
                name=name,
                url=options.get("url"),
                verification=_verification(options),
                path=path,
                gpg_key_path=options.get("gpgkeypath"),
            )
    return remotes


def _verification(options: configparser.SectionProxy) -> Verification:
    # gpg-verify is on unless it is switched off; sign-verify is off unless it is switched on (ostree-repo-config(5)).
    # It may name the types of signature instead of saying true.
    if options.get("sign-verify", "false").strip().lower() not in ("false", "0", "no", ""):
        return Verification.SIGN
    if options.get("gpg-verify", "true").strip().lower() not in ("false", "0", "no"):
        return Verification.GPG
    return Verification.NONE


def parse_summary(text: str, branch: str) -> tuple[str, str | None] | None:
    """Return (commit, version) that `ostree remote summary` gives for `branch`, or None where it is not listed.

    Raises CannotParse.
    """
    blocks = re.split(r"^\* ", text, flags=re.MULTILINE)[1:]
    if not blocks:
        raise CannotParse("the output of `ostree remote summary`", "it lists no branch", text[:200])
    for block in blocks:
        lines = block.splitlines()
        if lines[0].strip() != branch:
            continue
        commit = version = None
        for number, line in enumerate(lines):
            if line.strip().startswith("Latest Commit"):
                commit = lines[number + 1].strip() if number + 1 < len(lines) else None
            found = re.match(r"\s*Version \(ostree\.commit\.version\): (.*)", line)
            if found:
                version = found[1].strip().strip("'\"")
        if commit is None or not re.fullmatch(r"[0-9a-f]{64}", commit):
            raise CannotParse("the output of `ostree remote summary`", f"no commit for {branch}", block[:200])
        return commit, version
    return None


def parse_loader_entries(text: str) -> tuple[str, ...] | None:
    """Return the kernel arguments of the entry that boots next: the highest `version`; None where there is none."""
    best: tuple[int, tuple[str, ...]] | None = None
    for _path, content in split_files(text):
        fields = dict(line.split(None, 1) for line in content.splitlines() if len(line.split(None, 1)) == 2)
        try:
            version = int(fields.get("version", ""))
        except ValueError:
            continue
        if best is None or version > best[0]:
            best = (version, tuple(fields.get("options", "").split()))
    return best[1] if best else None
