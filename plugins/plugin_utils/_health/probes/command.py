# SPDX-License-Identifier: GPL-3.0-or-later
"""`command`: a command exits with the expected code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..option import arguments, number, option, several, text, whole
from ..probe_type import (
    ANSWER,
    PROBE_TIMEOUT,
    PROBE_TIMEOUT_MAX,
    TIMED_OUT,
    Data,
    Faults,
    Outside,
    ProbeType,
    limited,
    parsed,
    said,
    shown,
)


@dataclass(frozen=True, kw_only=True)
class Command(ProbeType):
    """Data: {rc, stdout, stderr, json}. The command must only read: probes run in check mode too."""

    TYPE: ClassVar[str] = "command"

    argv: tuple[str, ...] = option(arguments, "The program and its arguments, not seen by a shell.", default=())
    cmd: str = option(text, "A line for C(/bin/sh), instead of O(probes[].argv).", default="")
    rc: tuple[int, ...] = option(
        several(whole(0, 255)), "The exit code that is expected, or a list of them.", default=(0,)
    )
    timeout: float = option(
        number(1, PROBE_TIMEOUT_MAX), "Patience with the command, in seconds.", default=PROBE_TIMEOUT
    )

    @property
    def patience(self) -> float:
        return self.timeout + 2

    def problems(self) -> list[str]:
        return [] if bool(self.argv) != bool(self.cmd) else ["exactly one of `argv` and `cmd` is required"]

    def script(self) -> str:
        return limited(self.timeout, *(self.argv or ("/bin/sh", "-c", self.cmd)))

    def look(self, outside: Outside, address: str) -> Data:
        return self.read(outside.run(self.argv or ("/bin/sh", "-c", self.cmd), self.timeout))

    def read(self, result: Result) -> Data:
        return {
            "rc": result.rc,
            "stdout": shown(result.stdout),
            "stderr": shown(result.stderr),
            "json": parsed(result.stdout),
        }

    def demands(self, data: Data) -> Faults:
        if data["rc"] in self.rc:
            return {}
        name = f"`{' '.join((' '.join(self.argv) or self.cmd).split())}`"
        if data["rc"] in TIMED_OUT:
            return {ANSWER: f"{name} did not end within {self.timeout:g} s"}
        expected = " or ".join(str(code) for code in self.rc)
        cause = said(data["stderr"], data["stdout"])
        return {ANSWER: f"{name} exited with {data['rc']}, expected {expected}{': ' if cause else ''}{cause}"}

    def value(self, data: Data) -> object:
        return data["rc"]
