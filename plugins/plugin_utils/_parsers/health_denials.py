# SPDX-License-Identifier: GPL-3.0-or-later
"""What AppArmor and SELinux denied, from the kernel's log and from auditd's. Pure.

Facts of the formats: security/apparmor/audit.c, security/lsm_audit.c and kernel/audit.c in the kernel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse

# The first line of the output: TIME_MARK NOW BOOTED, in epoch seconds.
TIME_MARK = "@@flotilla-time"
# Ends what one log said: LOG_MARK journal|dmesg|audit RC.
LOG_MARK = "@@flotilla-log"
# So many lines are read of one log, the newest.
LINES = 10_000

# How far (s) the boot time that the kernel reports may be off.
_BOOT_SLACK = 1.0

_STAMP = re.compile(r"audit\((?P<time>\d+\.\d+):(?P<serial>\d+)\)")
_APPARMOR = re.compile(r'apparmor="(?P<word>[A-Z]+)"')
_SELINUX = re.compile(r"avc:  denied  \{ (?P<operation>[^}]*?) \}")
_FIELD = re.compile(r'\b(?P<key>[a-z_]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"\x1d]+))')
# Enforced: KILLED is a denial that ended the process. The others (STATUS, AUDIT, HINT, ERROR) deny nothing.
_ENFORCED = frozenset({"DENIED", "KILLED"})
_LOGGED = "ALLOWED"
# Fields whose text the kernel prints in hex when it has odd characters (audit_log_untrustedstring).
_UNTRUSTED = re.compile(r"(?:[0-9A-F]{2})+")


@dataclass(frozen=True, order=True)
class Denial:
    """A kind of denial: what happened is the same but for when it did and to which process."""

    system: str
    subject: str
    operation: str
    object: str


@dataclass(frozen=True)
class Event:
    """One denial. `time` in epoch seconds by the host's clock; `permitted`: it was logged and let pass."""

    time: float
    serial: int
    kind: Denial
    permitted: bool


@dataclass(frozen=True)
class Log:
    """All that the host's logs say of denials since its boot. `sources` are the logs that could be read.

    `cut`: one of them has more lines than are read.
    """

    at: int
    sources: tuple[str, ...]
    events: tuple[Event, ...]
    cut: bool


def parse_denials(text: str) -> Log:
    """Read the logs of a host, each ended by a LOG_MARK line, behind the TIME_MARK line. Raises CannotParse.

    An event that several logs hold counts once. auditd's log goes back further than the boot: what is older is left
    out.
    """
    first, _newline, rest = text.partition("\n")
    times = re.fullmatch(rf"{TIME_MARK} (\d+) (\d+)", first.strip())
    if not times:
        raise CannotParse("the host's time", "there is none", first)
    at, booted = int(times[1]), int(times[2])
    sources: list[str] = []
    events: dict[tuple[int, float, Denial], Event] = {}
    pending: list[Event] = []
    lines, cut = 0, False
    for line in rest.split("\n"):
        if line.startswith(LOG_MARK):
            _mark, source, rc = line.split()
            oldest = booted - _BOOT_SLACK if source == "audit" else 0.0
            recent = [event for event in pending if event.time >= oldest]
            if rc == "0":
                sources.append(source)
                for event in recent:
                    events.setdefault((event.serial, event.time, event.kind), event)
            # What is not read matters only if it may be of this boot.
            cut = cut or (lines >= LINES and len(recent) == len(pending))
            pending, lines = [], 0
            continue
        lines += 1
        if event_of := parse_event(line):
            pending.append(event_of)
    return Log(at, tuple(sources), tuple(sorted(events.values(), key=lambda event: (event.time, event.serial))), cut)


def parse_event(line: str) -> Event | None:
    """Return the denial that a line of a log tells of, or None: most lines do not."""
    stamp = _STAMP.search(line)
    if not stamp:
        return None
    when, serial = float(stamp["time"]), int(stamp["serial"])
    words = {
        found["key"]: found["quoted"] if found["quoted"] is not None else _unhexed(found["key"], found["plain"])
        for found in _FIELD.finditer(line, stamp.end())
    }
    if found := _APPARMOR.search(line):
        if found["word"] not in _ENFORCED and found["word"] != _LOGGED:
            return None
        kind = Denial("apparmor", words.get("profile", "?"), words.get("operation", "?"), _thing(words))
        return Event(when, serial, kind, found["word"] == _LOGGED)
    if found := _SELINUX.search(line):
        target = f"{_type(words.get('tcontext', '?'))} {words.get('tclass', '?')}"
        kind = Denial("selinux", _type(words.get("scontext", "?")), found["operation"], target)
        return Event(when, serial, kind, words.get("permissive") == "1")
    return None


def _thing(words: dict[str, str]) -> str:
    """Return what AppArmor kept a process from; numbers in a path (processes, descriptors) say nothing of the kind."""
    name = words.get("name") or words.get("capname") or words.get("peer") or words.get("family") or "?"
    return re.sub(r"(?<=/)\d+(?=/|$)", "N", name)


def _type(context: str) -> str:
    """Return the type of an SELinux context: user:role:TYPE:range."""
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else context


def _unhexed(key: str, value: str) -> str:
    if key in ("name", "profile", "comm") and _UNTRUSTED.fullmatch(value):
        return bytes.fromhex(value).decode("utf-8", "replace")
    return value
