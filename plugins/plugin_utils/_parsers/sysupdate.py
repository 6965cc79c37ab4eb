# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-sysupdate lists, its transfer definitions, and what we keep and look up beside them.

Sources: systemd-sysupdate(8), sysupdate.d(5), systemd 257 src/sysupdate/sysupdate.c (verb_list, context_show_version)
and sysupdate-transfer.c (transfer_read_definition); boot counters: https://systemd.io/AUTOMATIC_BOOT_ASSESSMENT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import CannotParse
from .files import split_files

LIST = "the output of `systemd-sysupdate list`"
# Where systemd looks, the first of them counts (CONF_PATHS).
FOLDERS = ("/etc/sysupdate.d", "/run/sysupdate.d", "/usr/local/lib/sysupdate.d", "/usr/lib/sysupdate.d")
DROP_IN = "90-flotilla.conf"

_COUNTERS = re.compile(r"\+(\d+)(?:-\d+)?(\.[A-Za-z]+)$")
_PROFILE = re.compile(r"@\d*$")
_ENTRY = re.compile(r"\.(efi|conf)(\.(xz|gz|bz2|zst))?$", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCAL_SUM = re.compile(r"(?m)^([0-9a-f]{64})  /")


@dataclass(frozen=True)
class Version:
    """A version that is installed, on offer, or both. `entry`: path or URL of what it is booted by, None without.

    `digest`: SHA-256 of the entry as the source's manifest has it; known only of what is not installed.
    """

    version: str
    available: bool
    installed: bool
    incomplete: bool
    obsolete: bool
    entry: str | None
    digest: str | None


@dataclass(frozen=True)
class File:
    """The file of a boot entry. `tries_left` is None where boots are not counted; `sha256` where it was not read.

    `size` in bytes, `mtime` in seconds since the epoch.
    """

    id: str
    path: str
    size: int
    mtime: int
    tries_left: int | None
    sha256: str | None


@dataclass(frozen=True)
class Known:
    """What was written down when an entry was staged. `how`: gpg, none; unknown for what ran before."""

    digest: str
    version: str
    how: str


@dataclass(frozen=True)
class Transfer:
    """One definition: where it takes its resource from. `source` is None where the definition does not say."""

    name: str
    kind: str | None
    source: str | None
    verify: bool


def entry_id(path: str) -> str:
    """Return the id of a boot entry's file, as systemd-boot has it: "os_1.1+2-1.efi" is "os_1.1.efi"."""
    name = _PROFILE.sub("", path.rpartition("/")[2])
    return _COUNTERS.sub(r"\2", name).lower()


def tries_left(path: str) -> int | None:
    """Return the tries that a boot entry's file has left, None where it is not counted."""
    found = _COUNTERS.search(path)
    return int(found[1]) if found else None


def parse_versions(text: str) -> tuple[Version, ...]:
    """Return the versions of `list` and, a line each, `list VERSION` for all of them, newest first.

    Raises CannotParse, also when one of them is missing.
    """
    documents = _documents(text)
    if not documents:
        raise CannotParse(LIST, "it is empty")
    names = _names(documents[0])
    versions = tuple(_version(one) for one in documents[1:])
    if [one.version for one in versions] != names:
        shown = ", ".join(one.version for one in versions) or "none"
        raise CannotParse(LIST, f"there are versions {', '.join(names) or 'none'}, and details of {shown}")
    return versions


def parse_offer(text: str) -> Version | None:
    """Return the newest version that the source has, None where it has none.

    `text`: `list`, then `list VERSION` of it, then sha256sum's line where the source is a local file.
    Raises CannotParse.
    """
    lines = text.splitlines()
    documents = _documents("\n".join(line for line in lines if not _LOCAL_SUM.match(line)))
    if not documents:
        raise CannotParse(LIST, "it is empty")
    names = _names(documents[0])
    if len(documents) == 1:
        return None
    if len(documents) > 2:
        raise CannotParse(LIST, "it has too many parts")
    found = _version(documents[1])
    if found.version not in names or not found.available:
        raise CannotParse(LIST, f"version {found.version} is not on offer")
    local = _LOCAL_SUM.search(text)
    if found.digest is None and local is not None and not found.installed:
        return Version(found.version, True, False, found.incomplete, found.obsolete, found.entry, local[1])
    return found


def parse_boot_files(text: str) -> tuple[File, ...]:
    """Return the entries' files from lines of "SIZE MTIME SHA256 PATH", with "-" for a file that was not read.

    Raises CannotParse.
    """
    return tuple(_file(line) for line in text.splitlines() if line)


def parse_known(text: str) -> dict[tuple[str, int, int], Known]:
    """Return our record: what an entry's file of that (id, size, mtime) is. A line that is damaged is passed over."""
    known = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 6 and words[1].isdecimal() and words[2].isdecimal() and _SHA256.fullmatch(words[3]):
            known[words[0], int(words[1]), int(words[2])] = Known(words[3], words[4], words[5])
    return known


def parse_transfers(text: str) -> tuple[Transfer, ...]:
    """Return the definitions out of the files that stand in FOLDERS, each with its drop-ins.

    A definition of an earlier folder replaces that of a later one, and so does a drop-in; drop-ins come after all
    definitions, in the order of their names (sysupdate.d(5), systemd.unit(5)).
    """
    main: dict[str, str] = {}
    drop_ins: dict[tuple[str, str], str] = {}
    ranked = sorted(split_files(text), key=lambda file: _rank(file[0]))
    for path, content in ranked:
        folder = next((one for one in FOLDERS if path.startswith(f"{one}/")), None)
        if folder is None:
            continue
        parts = path.removeprefix(f"{folder}/").split("/")
        if len(parts) == 1:
            main.setdefault(parts[0], content)
        elif len(parts) == 2 and parts[0].endswith(".d"):
            drop_ins.setdefault((parts[0].removesuffix(".d"), parts[1]), content)
    return tuple(
        _transfer(name, [content, *(drop_ins[key] for key in sorted(drop_ins) if key[0] == name)])
        for name, content in sorted(main.items())
    )


def _rank(path: str) -> int:
    return next((rank for rank, folder in enumerate(FOLDERS) if path.startswith(f"{folder}/")), len(FOLDERS))


def _transfer(name: str, files: list[str]) -> Transfer:
    words: dict[tuple[str, str], str] = {}
    for content in files:
        section = ""
        for line in content.splitlines():
            bare = line.strip()
            if bare.startswith("["):
                section = bare.strip("[]")
            elif "=" in bare and not bare.startswith(("#", ";")):
                key, _equals, value = bare.partition("=")
                words[section, key.strip()] = value.strip()
    verify = words.get(("Transfer", "Verify"), "yes").lower() not in ("no", "n", "false", "f", "off", "0")
    return Transfer(name, words.get(("Source", "Type")) or None, words.get(("Source", "Path")) or None, verify)


def _documents(text: str) -> list[Mapping[str, Any]]:
    """Return the JSON documents of `text`, one a line."""
    found: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise CannotParse(LIST, f"not JSON: {exc}", line) from exc
        if not isinstance(document, dict):
            raise CannotParse(LIST, "it is no object", line)
        found.append(document)
    return found


def _names(document: Mapping[str, Any]) -> list[str]:
    # "current+pending" in place of "current" from 260 on, where something is acquired and not installed.
    if not any(str(key).partition("+")[0] == "current" for key in document):
        raise CannotParse(LIST, "it does not say what is current")
    names = document.get("all")
    if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
        raise CannotParse(LIST, "it has no list of versions")
    return names


def _version(document: Mapping[str, Any]) -> Version:
    version, contents = document.get("version"), document.get("contents")
    if not isinstance(version, str) or not version:
        raise CannotParse(LIST, "a version has no name")
    if not isinstance(contents, list):
        raise CannotParse(LIST, f"version {version} has no contents")
    flags = {}
    for key in ("available", "installed", "incomplete", "obsolete"):
        value = document.get(key)
        if not isinstance(value, bool):
            raise CannotParse(LIST, f"{key} of version {version} is neither true nor false")
        flags[key] = value
    # Acquired, and not put in place yet (262): its files have names of their own.
    pending = document.get("pending", False) is True or document.get("partial", False) is True
    entry = digest = None
    for one in contents:
        if not isinstance(one, dict) or not isinstance(one.get("path"), str):
            raise CannotParse(LIST, f"a resource of version {version} has no path")
        if _ENTRY.search(one["path"]):
            entry, digest = one["path"], one.get("sha256")
    if digest is not None and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise CannotParse(LIST, f"the SHA-256 of version {version} is {digest!r}")
    installed = flags["installed"] and not pending
    return Version(version, flags["available"], installed, flags["incomplete"], flags["obsolete"], entry, digest)


def _file(line: str) -> File:
    what = "the list of boot entries"
    parts = line.split(" ", 3)
    if len(parts) != 4 or not parts[3].startswith("/"):
        raise CannotParse(what, "a line has other parts", line)
    size, mtime, sha256, path = parts
    if not size.isdecimal() or not mtime.isdecimal() or not (sha256 == "-" or _SHA256.fullmatch(sha256)):
        raise CannotParse(what, "a line has no size, time or SHA-256", line)
    return File(entry_id(path), path, int(size), int(mtime), tries_left(path), None if sha256 == "-" else sha256)
