# SPDX-License-Identifier: GPL-3.0-or-later
"""`mount`: a file system is mounted, writable or not as asked, and has room."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, ClassVar

from ..._model.host import Result
from ..._model.shell import quote
from ..._parsers.health_mount import SPACE_MARK, parse_mount
from ..option import absolute_path, boolean, number, option, whole
from ..probe_type import ANSWER, NO_TOOL, PROBE_TIMEOUT, TIMED_OUT, Data, Faults, ProbeType, Unknown, limited, said

# A petabyte, in MiB.
_LARGEST_MB = 2**30


def _path(value: Any) -> str:
    return f"/{posixpath.normpath(absolute_path(value)).lstrip('/')}"


@dataclass(frozen=True, kw_only=True)
class Mount(ProbeType):
    """Data: {mounted, fstype, source, options, rw, size_mb, free_mb, free_percent}; None where it is not mounted.

    The sizes are those of the file system that holds `path`, mounted there or not; free is what is free to all users.
    """

    TYPE: ClassVar[str] = "mount"

    path: str = option(_path, "The mount point.")
    rw: bool | None = option(boolean, "V(true) it must be writable; V(false) it must be read-only.", default=None)
    min_free_percent: float | None = option(number(0, 100), "Room that must be free, in percent.", default=None)
    min_free_mb: int | None = option(whole(0, _LARGEST_MB), "Room that must be free, in MiB.", default=None)

    def script(self) -> str:
        # A file system whose server is gone lets df hang, not the list of mounts.
        return (
            f"cat /proc/self/mountinfo || exit {NO_TOOL}; printf '%s\\n' {quote(SPACE_MARK)}; "
            f"{limited(PROBE_TIMEOUT, 'df', '-P', '-k', '--', self.path)}"
        )

    def read(self, result: Result) -> Data:
        if result.rc == NO_TOOL:
            raise Unknown("the host's list of mounts cannot be read")
        if result.rc in TIMED_OUT:
            raise Unknown(f"the file system at {self.path} did not answer within {PROBE_TIMEOUT:g} s")
        data = parse_mount(result.stdout, self.path)
        if result.rc and data["mounted"]:
            raise Unknown(f"df of {self.path} failed: {said(result.stderr)}")
        return data

    def demands(self, data: Data) -> Faults:
        faults = {}
        if self.rw is not None and data["mounted"] and data["rw"] is not self.rw:
            faults["rw"] = f"{self.path} is {'read-only' if self.rw else 'writable'}"
        percent, room = data["free_percent"], data["free_mb"]
        if self.min_free_percent is not None and (percent is None or percent < self.min_free_percent):
            faults["free_percent"] = _short(self.path, percent, self.min_free_percent, "%")
        if self.min_free_mb is not None and (room is None or room < self.min_free_mb):
            faults["free_mb"] = _short(self.path, room, self.min_free_mb, " MiB")
        return faults

    def expects(self, data: Data) -> Faults:
        return {} if data["mounted"] else {ANSWER: f"nothing is mounted at {self.path}"}

    def value(self, data: Data) -> object:
        return data["mounted"]


def _short(path: str, found: float | None, wanted: float, unit: str) -> str:
    has = "an unknown amount" if found is None else f"{found:g}{unit}"
    return f"{path} has {has} free, expected at least {wanted:g}{unit}"
