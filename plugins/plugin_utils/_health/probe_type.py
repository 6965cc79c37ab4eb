# SPDX-License-Identifier: GPL-3.0-or-later
"""What a type of probe is, and the words and fragments that several of them share. Pure."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from .._errors import FlotillaError, tail
from .._model.host import Result
from .._model.shell import quote
from .._parsers.health_http import Answer

# What a probe found, of JSON types only.
Data = dict[str, Any]
# What is wrong, each in words, by a key that stays the same as long as the same thing is wrong ("unit:a.service"):
# the baseline is compared key by key.
Faults = Mapping[str, str]

# The key of the fault of a probe whose subject has no parts.
ANSWER = "answer"
# The key of a fault that means: it is not known. Never healthy.
UNKNOWN = "unknown"

# How much of a body or of a command's output is returned, in bytes.
SHOWN_BYTES = 4096
# How much of what a tool said a reason quotes, in lines and in characters.
_QUOTED_LINES, _QUOTED = 2, 300
# How long one probe may take on the host (s) when the user says nothing.
PROBE_TIMEOUT = 10.0
# The longest patience with a probe (s) that can be asked for.
PROBE_TIMEOUT_MAX = 600.0
# Exit code of our own: the tool that a probe needs is not on the host.
NO_TOOL = 69
# What timeout(1) exits with when it ended the command: GNU and new busybox, old busybox (128 + SIGTERM).
TIMED_OUT = frozenset({124, 143})


class ProbeType(ABC):
    """A type of probe: a frozen dataclass whose fields are its options (`option.py`)."""

    TYPE: ClassVar[str]

    @property
    def patience(self) -> float:
        """How long its step may take at most, in seconds."""
        return PROBE_TIMEOUT

    def problems(self) -> list[str]:
        """Return what is wrong between options, in words; each alone is good already."""
        return []

    @abstractmethod
    def script(self) -> str:
        """Return POSIX sh that prints what `read` reads. Everything of the user's is quoted."""

    @abstractmethod
    def read(self, result: Result) -> Data:
        """Return what the host said. Raises FlotillaError when that cannot be known: the probe is not healthy then."""

    def demands(self, data: Data) -> Faults:
        """Return the faults that count whatever `query` says: what the probe's own options ask for."""
        return {}

    def expects(self, data: Data) -> Faults:
        """Return the faults by the type's own expectation; a `query` takes its place."""
        return {}

    @abstractmethod
    def value(self, data: Data) -> object:
        """Return what stands for the data where there is no `query`."""


@runtime_checkable
class CountsRestarts(Protocol):
    """A type that can tell that its subject was restarted between two attempts, though it looked well in both."""

    def restarted(self, before: Data, now: Data) -> Faults: ...


@runtime_checkable
class LooksBack(Protocol):
    """A type whose data reaches back in time, and may have to begin where a baseline was taken."""

    def since_baseline(self, baseline: Data) -> ProbeType:
        """Return the probe that passes over what `baseline`, earlier data of the same probe, has seen already."""


class Outside(Protocol):
    """What the controller can do for a probe that looks from there. Durations in seconds, on a clock that only goes on.

    What cannot be had is in the answer, as it is on a host: nothing is raised for it.
    """

    def get(self, url: str, headers: Mapping[str, str], timeout: float, validate_certs: bool) -> Answer:
        """Ask for `url`: no proxy, no redirect followed, no retry."""

    def connect(self, host: str, port: int, timeout: float) -> str | None:
        """Return why no connection stands, or None when it did."""

    def run(self, argv: tuple[str, ...], timeout: float) -> Result:
        """Run a command; it exits with one of TIMED_OUT when it was ended."""


@runtime_checkable
class LooksFromController(Protocol):
    """A type that can look at the host from the controller."""

    def look(self, outside: Outside, address: str) -> Data:
        """Return what is found there, as `read` does; `address` is where the controller meets the host."""


class Unknown(FlotillaError):
    """A probe could not find out."""


def limited(seconds: float, *argv: str) -> str:
    """Return sh that runs `argv` for at most `seconds`, where the host has timeout(1)."""
    words = " ".join(quote(word) for word in argv)
    return f"{{ if command -v timeout >/dev/null 2>&1; then timeout {_whole(seconds)} {words}; else {words}; fi; }}"


def need(tool: str) -> str:
    """Return sh that leaves with NO_TOOL where the host has no `tool`."""
    return f"command -v {quote(tool)} >/dev/null 2>&1 || exit {NO_TOOL}"


def answered(result: Result, tool: str, seconds: float, good: tuple[int, ...] = (0,)) -> Result:
    """Return `result` when `tool` answered. Raises Unknown when it is missing, was too slow or failed."""
    if result.rc in good:
        return result
    if result.rc == NO_TOOL:
        raise Unknown(f"there is no {tool} on the host")
    if result.rc in TIMED_OUT:
        raise Unknown(f"{tool} did not answer within {seconds:g} s")
    raise Unknown(f"{tool} exited with {result.rc}: {said(result.stderr, result.stdout) or 'it printed nothing'}")


def said(*streams: str) -> str:
    """Return the last lines of the first of `streams` that has any, as one short line."""
    words = next((words for stream in streams if (words := tail(stream, _QUOTED_LINES))), "")
    return "; ".join(clean(words).splitlines())[:_QUOTED]


def clean(words: str) -> str:
    """Return `words` as text that can be shown and stored: bytes that are no UTF-8 become U+FFFD."""
    return words.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")


def shown(words: str) -> str:
    """Return the first SHOWN_BYTES of `words`, clean."""
    return clean(words).encode()[:SHOWN_BYTES].decode("utf-8", "ignore")


def parsed(words: str) -> Any:
    """Return `words` as JSON, or None where they are none."""
    try:
        return json.loads(clean(words), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _whole(seconds: float) -> int:
    # busybox knows whole seconds only; timeout 0 would mean forever
    return max(1, int(-(-seconds // 1)))
