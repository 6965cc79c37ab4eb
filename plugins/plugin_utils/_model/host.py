# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner seam: how everything above the connection sees a host."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .._errors import COMMAND_SHOWN, FlotillaError, ToolFailed

# Where a step runs that does not run on the host itself: on the boot server that holds the host's images.
BOOT_SERVER = "boot_server"
# Exit code of the first step of a part that is not there.
NOT_HERE = 3


@dataclass(frozen=True)
class Step:
    """A named fragment of POSIX sh. It runs in a subshell of its own, as root, in the C locale.

    `required`: when it exits with anything but 0, the steps after it are not run. `on`: where it runs; empty for the
    host itself. `part`: what it is a part of; when the first step of that exits with NOT_HERE, those that follow it
    are not run, and count as having ended in the same way.
    """

    name: str
    script: str
    required: bool = False
    on: str = ""
    part: str = ""

    @classmethod
    def of(cls, name: str, *argv: str, required: bool = False) -> Step:
        """A step that runs one command; this is the only place where a command is quoted."""
        return cls(name, shlex.join(argv), required)


@dataclass(frozen=True)
class Result:
    """What one step did. `rc` is None when the step was not run, because a required one before it failed."""

    name: str
    script: str
    rc: int | None
    stdout: str = ""
    stderr: str = ""

    @property
    def ok(self) -> bool:
        return self.rc == 0

    @property
    def text(self) -> str:
        """stdout without the white space around it."""
        return self.stdout.strip()

    def proven(self, goal: str) -> Result:
        """Return self if the step succeeded.

        Raises ToolFailed("cannot GOAL: ...") with the command, exit code and end of stderr otherwise.
        """
        if self.rc is None:
            raise FlotillaError(f"cannot {goal}: a step before it failed")
        if self.rc != 0:
            command = " ".join(self.script.split())
            if len(command) > COMMAND_SHOWN:  # functions stand before the command that calls them
                command = " ".join(self.script.strip().rpartition("\n")[2].split())
            raise ToolFailed(goal, command, self.rc, self.stderr, self.stdout)
        return self


# The outcome of one round trip: the results by the names of their steps.
Results = Mapping[str, Result]


@dataclass(frozen=True)
class Unreachable:
    """The host did not answer; `why` is what the connection said."""

    why: str


class Clock(Protocol):
    """Time, injected: waits are counted in monotonic seconds; `time` is for records only."""

    def monotonic(self) -> float: ...

    def time(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


@dataclass(frozen=True)
class Elsewhere:
    """What work for a host needs at another place: sh that goes before its scripts, and a word that is this host's."""

    preamble: str
    word: str


class Host(Protocol):
    """A host that can be reached. Each call is one round trip, and one more where steps are for another place.

    Every method lets the connection's own error pass when the host cannot be reached, so that it shows as
    UNREACHABLE.
    """

    @property
    def name(self) -> str: ...

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        """Run all steps, in order, in one round trip; return a result for each.

        `limit` bounds the wait, in seconds; past it the host counts as unreachable.
        """

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        """Like `run`, for when it is no surprise that the host does not answer."""

    def read(self, path: str) -> str | None:
        """Return the text of a file, or None where there is no such file."""

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Put a text file in place, owned by root, by a temporary file and a rename."""

    def forget_connection(self) -> None:
        """Drop what is kept open towards the host: after a reboot it leads nowhere."""

    def elsewhere(self, place: str) -> Elsewhere:
        """Return what work at `place` needs. Raises Refused where the host has no such place."""

    def say(self, message: str) -> None:
        """Show progress to the person who watches."""
