# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, in words for the person on call: "cannot VERB OBJECT: cause"."""

from __future__ import annotations

# How much of a failed tool's stderr an error quotes: enough for the cause, short enough for a pager.
STDERR_TAIL_LINES = 12
# How much of a failed command an error quotes, in characters: whole scripts are sent.
COMMAND_SHOWN = 300


def tail(text: str, lines: int = STDERR_TAIL_LINES) -> str:
    """Return the last `lines` non-empty lines of `text`."""
    kept = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(kept[-lines:])


class FlotillaError(Exception):
    """A failure that has a cause the user can act on. `details` go into the task's result."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Refused(FlotillaError):
    """Asked for something that cannot or must not be done; nothing has been changed."""


class CannotParse(FlotillaError):
    """A tool printed what its parser does not know. Never guessed over."""

    def __init__(self, what: str, cause: str, line: str | None = None) -> None:
        quoted = "" if line is None else f", at {line[:200]!r}"
        super().__init__(f"cannot parse {what}: {cause}{quoted}")


class ToolFailed(FlotillaError):
    """A command on the host failed."""

    def __init__(self, goal: str, command: str, rc: int, stderr: str, stdout: str = "") -> None:
        said = tail(stderr) or tail(stdout, 3) or "it printed nothing"
        shown = command if len(command) <= COMMAND_SHOWN else f"{command[:COMMAND_SHOWN]}…"
        super().__init__(
            f"cannot {goal}: `{shown}` exited with {rc}: {said}",
            command=command,
            rc=rc,
            stderr=tail(stderr, 40),
        )
