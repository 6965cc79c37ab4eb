# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of a web server as curl, wget and busybox wget print it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# How much is fetched at most, in bytes: enough for the JSON of a health page.
FETCHED = 65536

_STATUS = re.compile(r"^\s*(?:wget: server returned error: )?HTTP/[0-9.]+ +(?P<code>\d{3})\b", re.MULTILINE)
_RC = re.compile(r"\nrc=(\d+)\s*\Z")

# Exit codes with which an answer is whole. curl: 23, and a shell's 141: the reader had enough and closed the pipe.
_GOOD = {
    "curl": frozenset({0, 23, 141}),
    # GNU: 8 a status that is an error, 3 the closed pipe; busybox: 1 for both
    "wget": frozenset({0, 1, 3, 8, 141}),
}
_TIMED_OUT = frozenset({124, 143})


@dataclass(frozen=True)
class Answer:
    """`status` is None when there was no answer; `error` says why, or why the answer is not whole."""

    status: int | None
    body: str
    error: str | None


def parse_http(tool: str, stdout: str, stderr: str, timeout: float) -> Answer:
    """Read what `tool` printed: curl (-i) headers and body on stdout, wget (-S) headers on stderr.

    stderr ends with `rc=CODE`. Interim answers (1xx) are passed over, the first other one counts: where busybox follows
    a redirect, that is the redirect.
    """
    ending = _RC.search(stderr)
    rc = int(ending[1]) if ending else None
    said = stderr[: ending.start()] if ending else stderr
    if tool == "curl":
        status, body = _with_headers(stdout)
    else:
        status, body = _first_status(said), stdout
    if status is not None and rc in _GOOD[tool]:
        return Answer(status, body, None)
    return Answer(status, body, _cause(tool, rc, said, timeout))


def _with_headers(text: str) -> tuple[int | None, str]:
    while True:
        headers, _blank, body = text.partition("\n\n")
        found = _STATUS.match(headers)
        if found is None:
            return None, ""
        if not found["code"].startswith("1"):
            return int(found["code"]), body
        text = body


def _first_status(text: str) -> int | None:
    codes = (int(found["code"]) for found in _STATUS.finditer(text))
    return next((code for code in codes if code >= 200), None)


def _cause(tool: str, rc: int | None, said: str, timeout: float) -> str:
    if rc in _TIMED_OUT:
        return f"no answer within {timeout:g} s"
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("  ")]
    if lines:
        return lines[-1]
    return f"{tool} ended without a word" if rc is None else f"{tool} exited with {rc}"
