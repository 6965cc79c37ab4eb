# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of snaps that hosts without a store are updated from, and the files of snaps that no store knows.

A folder's list is what `sha256sum *.snap *.assert` prints (coreutils' manual, "md5sum invocation"). Its files have the
names that `snap download` gives them (NAME_REVISION.snap; cmd/snap/cmd_download.go), or snapcraft
(NAME_VERSION_ARCHITECTURE.snap).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .._errors import CannotParse
from .._model.state import Verification
from .snapd import SnapSet

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_FILE = re.compile(r"(?:\./)?([a-z0-9-]+)_([^_/ ]+)(?:_[^/ ]*)?\.snap")
_LOCAL = re.compile(r"(?:.*/)?([a-z0-9-]+_x[1-9][0-9]*)\.snap")
_REVISION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Folder:
    """A channel that is a folder: `source`/`name`."""

    source: str
    name: str
    verification: Verification

    @classmethod
    def parse(cls, text: str) -> Folder:
        """Read `record` back. Raises CannotParse."""
        words = text.split(" ")
        if len(words) != 3 or words[2] not in (Verification.SIGN.value, Verification.NONE.value):
            raise CannotParse("the record of the folder that is followed", "it is not SOURCE NAME VERIFICATION", text)
        return cls(words[0], words[1], Verification(words[2]))

    @property
    def record(self) -> str:
        return f"{self.source} {self.name} {self.verification.value}"

    @property
    def url(self) -> str:
        return f"{self.source.removesuffix('/')}/{self.name}"


@dataclass(frozen=True)
class File:
    """A snap in a folder. `label`: its revision or its version, whichever its name has; `sum`: SHA-256 of the file."""

    label: str
    sum: str


def parse_folder(text: str, names: tuple[str, ...], verification: Verification) -> Mapping[str, File]:
    """Return what a folder's SHA256SUMS has of the snaps `names`, by name: one file of each. Raises CannotParse."""
    what = "SHA256SUMS"
    found: dict[str, File] = {}
    for line in text.splitlines():
        listed = _LINE.fullmatch(line)
        if not listed:
            raise CannotParse(what, "a line is not as sha256sum prints it", line)
        file = _FILE.fullmatch(listed[2])
        if not file or file[1] not in names:
            continue
        if file[1] in found:
            raise CannotParse(what, f"it names several files of {file[1]}")
        if verification is Verification.SIGN and not _REVISION.fullmatch(file[2]):
            raise CannotParse(what, f"{listed[2]} has no revision, and verification is sign")
        found[file[1]] = File(file[2], listed[1])
    missing = [name for name in names if name not in found]
    if missing:
        raise CannotParse(what, f"it names no file of {', '.join(missing)}", text if not text.strip() else None)
    return found


def parse_local_sums(text: str) -> dict[str, str]:
    """Return {NAME_xN: SHA-256} of what sha256sum printed of local snaps. Raises CannotParse."""
    sums = {}
    for line in filter(None, text.splitlines()):
        listed = _LINE.fullmatch(line)
        file = _LOCAL.fullmatch(listed[2]) if listed else None
        if not listed or not file:
            raise CannotParse("the sums of local snaps", "a line is not as sha256sum prints it", line)
        sums[file[1]] = listed[1]
    return sums


def offered(files: Mapping[str, File], verification: Verification) -> tuple[str, str]:
    """Return digest and version of the set that a folder's files are, as `SnapSet.digest_by` has them."""
    version = " ".join(f"{name}_{files[name].label}" for name in sorted(files))
    if verification is Verification.SIGN:
        return SnapSet.of({name: one.label for name, one in files.items()}).digest, version
    numbered = SnapSet.of(dict.fromkeys(files, "x1"))
    return numbered.digest_by({f"{name}_x1": one.sum for name, one in files.items()}) or "", version
