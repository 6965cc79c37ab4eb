# SPDX-License-Identifier: GPL-3.0-or-later
"""`file`: a file, a directory or a socket is there, or is not; and is not older than asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..._model.shell import quote
from ..._parsers.health_file import ABSENT, FILE_TYPES, parse_file
from ..option import absolute_path, boolean, number, one_of, option
from ..probe_type import (
    ANSWER,
    PROBE_TIMEOUT,
    Data,
    Faults,
    ProbeType,
    answered,
    limited,
    need,
    parsed,
    shown,
)

# How much of a file is read, in bytes: enough for the JSON of a status file.
_READ = 65536
# A century (s).
_OLDEST = 100 * 366 * 86_400


@dataclass(frozen=True, kw_only=True)
class File(ProbeType):
    """Data: {exists, file_type, size, mode, uid, gid, age, content, json}; None where it does not exist.

    `age` in seconds since it was last written, by the host's clock. A symbolic link stands for what it leads to.
    """

    TYPE: ClassVar[str] = "file"

    path: str = option(absolute_path, "The path.")
    present: bool = option(boolean, "V(false): it must not be there.", default=True)
    file_type: str | None = option(one_of(*FILE_TYPES.values()), "What it must be.", default=None)
    max_age: float | None = option(
        number(0, _OLDEST), "How long ago it may have been written last, in seconds.", default=None
    )
    content: bool = option(boolean, "Read it, for O(probes[].query). Its first 4 KiB are shown then.", default=False)

    def problems(self) -> list[str]:
        asks = [name for name in ("file_type", "max_age") if getattr(self, name) is not None]
        return [f"`present: false` and `{name}` exclude each other" for name in asks if not self.present]

    @property
    def patience(self) -> float:
        return 2 * PROBE_TIMEOUT

    def script(self) -> str:
        # stat alone looks first: the shell's own test would hang where a file system's server is gone
        look = f"date +%s; {limited(PROBE_TIMEOUT, 'stat', '-L', '-c', '%f %s %u %g %Y', '--', self.path)} || exit"
        show = limited(PROBE_TIMEOUT, "head", "-c", str(_READ), "--", self.path)
        return f"{need('stat')}\n{look}\n" + (f"[ ! -f {quote(self.path)} ] || {show}" if self.content else ":")

    def read(self, result: Result) -> Data:
        if result.rc == 1 and ABSENT.search(result.stderr):
            return {"exists": False} | dict.fromkeys(
                ("file_type", "size", "mode", "uid", "gid", "age", "content", "json")
            )
        text = answered(result, "stat", PROBE_TIMEOUT).stdout
        found, content = parse_file(text)
        return {
            "exists": True,
            **found,
            "content": shown(content) if self.content else None,
            "json": parsed(content) if self.content else None,
        }

    def demands(self, data: Data) -> Faults:
        if not data["exists"]:
            asked = self.file_type is not None or self.max_age is not None
            return {ANSWER: f"{self.path} does not exist"} if asked else {}
        faults = {}
        if self.file_type is not None and data["file_type"] != self.file_type:
            faults["file_type"] = f"{self.path} is a {data['file_type']}, expected a {self.file_type}"
        if self.max_age is not None and data["age"] > self.max_age:
            faults["age"] = f"{self.path} was written {data['age']} s ago, expected at most {self.max_age:g} s"
        return faults

    def expects(self, data: Data) -> Faults:
        if data["exists"] is self.present:
            return {}
        return {ANSWER: f"{self.path} {'does not exist' if self.present else 'exists'}"}

    def value(self, data: Data) -> object:
        return data["exists"]
