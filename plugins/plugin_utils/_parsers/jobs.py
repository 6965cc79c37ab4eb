# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a detached job (`_jobs.py`)."""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import CannotParse
from .key_value import parse_key_values

STATES = ("absent", "running", "done", "gone")


@dataclass(frozen=True)
class JobReport:
    """`state` is one of STATES; `rc` the exit code once it is done; `log` the end of what it printed."""

    state: str
    rc: int | None
    key: str | None
    what: str
    log: str

    @property
    def last_line(self) -> str:
        """The last thing that it said, for progress; carriage returns redraw a line."""
        lines = [line.strip() for line in self.log.replace("\r", "\n").splitlines() if line.strip()]
        return lines[-1][:120] if lines else ""


def parse_job(text: str) -> JobReport:
    """Return the report. Raises CannotParse."""
    head, found, log = text.partition("log:\n")
    words = parse_key_values(head)
    state = words.get("state", "")
    rc = words.get("rc", "")
    if not found or state not in STATES or (rc and not rc.isdigit()) or (state == "done" and not rc):
        raise CannotParse("the state of a job on the host", "unknown form", text[:200])
    return JobReport(state, int(rc) if rc else None, words.get("key") or None, words.get("what", ""), log)
