# SPDX-License-Identifier: GPL-3.0-or-later
"""What AppArmor and SELinux refused, from the audit log, the journal and the kernel's log. Pure.

Facts of the records: security/apparmor/audit.c and security/selinux/avc.c in the kernel; auditd writes a byte 0x1D
before the fields that it adds; journald keeps number and time of an audit record in fields of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._model.state import MacSystem

# Fields that the kernel writes as bare hex when they have spaces, quotes or bytes that do not print.
_TEXT_FIELDS = frozenset(
    {"name", "path", "comm", "profile", "target", "peer", "srcname", "execpath", "exe", "cmdline", "dev", "label"}
)
_STAMP = re.compile(r"audit\((?P<at>\d+\.\d+):(?P<serial>\d+)\)")
_APPARMOR = re.compile(r'apparmor="(?P<verdict>[A-Z]+)"')
_AVC = re.compile(r"avc:\s+denied\s+\{(?P<permissions>[^}]*)\}\s+for\s")
_FIELD = re.compile(r"""(?P<key>\w+)=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"']+))""")
_SUPPRESSED = re.compile(r"audit\w*: (?P<count>\d+) callbacks suppressed")
_LOST = re.compile(r"audit: (?:audit_lost=|audit_backlog=|rate limit exceeded|backlog limit exceeded)")


@dataclass(frozen=True)
class Denial:
    """One access that a policy does not allow.

    `outcome`: denied, or allowed where the profile complains or the domain is permissive. `at`: epoch seconds by the
    host's clock. `subject`: the profile, or the source context. `operation`: AppArmor's word, or SELinux's permissions.
    `target`: a path, a capability or a peer; `target_context`: its label. `mask`: what of the request was not allowed.
    """

    system: MacSystem
    outcome: str
    at: float | None
    serial: int | None
    subject: str | None
    operation: str | None
    target: str | None
    target_class: str | None
    target_context: str | None
    mask: str | None
    process: str | None
    pid: int | None
    info: str | None


@dataclass(frozen=True)
class Record:
    """A line of a log with the time (epoch seconds) and number of its audit record, where it has them."""

    text: str
    at: float | None = None
    serial: int | None = None


def lines_of(text: str) -> list[Record]:
    """Return the lines of an audit log or a kernel log. A newline ends a line, nothing else does: 0x1D is data."""
    records = []
    for line in text.split("\n"):
        stamp = _STAMP.search(line)
        if stamp:
            records.append(Record(line, float(stamp["at"]), int(stamp["serial"])))
        elif line:
            records.append(Record(line))
    return records


def entries_of_journal(text: str) -> list[Record]:
    """Return the entries of `journalctl -o json`. A line that is no JSON object (cut off) is passed over."""
    records = []
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict):
            continue
        message = entry.get("MESSAGE")
        if isinstance(message, list):  # bytes that are not UTF-8
            message = bytes(message).decode("utf-8", "replace")
        if not isinstance(message, str):
            continue
        number, at = entry.get("_AUDIT_ID"), entry.get("_SOURCE_REALTIME_TIMESTAMP")
        if number is None:
            records += lines_of(message)
        else:
            records.append(Record(message, int(at) / 1_000_000 if at else None, int(number)))
    return records


def since_time(records: Iterable[Record], since: float | None) -> list[Record]:
    """Return the records that are not older than `since` (epoch seconds); what has no time is kept."""
    return [record for record in records if since is None or record.at is None or record.at >= since]


def parse_denials(records: Iterable[Record]) -> tuple[Denial, ...]:
    """Return the denials in `records`, oldest first, each once: one record may stand in several logs."""
    found = dict.fromkeys(denial for record in records if (denial := _denial(record)) is not None)
    return tuple(sorted(found, key=lambda denial: (denial.at or 0.0, denial.serial or 0)))


def suppressed(records: Iterable[Record]) -> bool:
    """Tell whether the kernel says that it dropped audit records: the denials are not all there then."""
    return any(_SUPPRESSED.search(record.text) or _LOST.search(record.text) for record in records)


def _denial(record: Record) -> Denial | None:
    text = record.text.split("\x1d", 1)[0]
    apparmor = _APPARMOR.search(text)
    if apparmor:
        return _of_apparmor(apparmor["verdict"], text[apparmor.end() :], record)
    avc = _AVC.search(text)
    return _of_selinux(avc["permissions"], text[avc.end() :], record) if avc else None


def _of_apparmor(verdict: str, text: str, record: Record) -> Denial | None:
    outcome = {"DENIED": "denied", "KILLED": "denied", "ALLOWED": "allowed"}.get(verdict)
    if outcome is None:  # STATUS, AUDIT, HINT, ERROR: nothing was refused
        return None
    fields = _fields(text)
    peer = _first(fields, "peer", "peer_profile", "peer_label")
    return Denial(
        system=MacSystem.APPARMOR,
        outcome=outcome,
        at=record.at,
        serial=record.serial,
        subject=_first(fields, "profile", "label"),
        operation=fields.get("operation"),
        target=_first(fields, "name", "capname", "target", "addr", "path") or peer,
        target_class=fields.get("class"),
        target_context=peer,
        mask=_first(fields, "denied_mask", "denied", "mask"),
        process=fields.get("comm"),
        pid=_number(fields.get("pid")),
        info=fields.get("info"),
    )


def _of_selinux(permissions: str, text: str, record: Record) -> Denial:
    fields = _fields(text)
    wanted = " ".join(permissions.split())
    return Denial(
        system=MacSystem.SELINUX,
        # Old kernels do not say permissive=; then the policy was enforced, as far as the record tells.
        outcome="allowed" if fields.get("permissive") == "1" else "denied",
        at=record.at,
        serial=record.serial,
        subject=fields.get("scontext"),
        operation=wanted,
        target=_first(fields, "path", "name", "capability", "dest", "src"),
        target_class=fields.get("tclass"),
        target_context=fields.get("tcontext"),
        mask=wanted,
        process=_first(fields, "comm", "exe"),
        pid=_number(fields.get("pid")),
        info=fields.get("trawcon"),
    )


def _fields(text: str) -> dict[str, str]:
    """Return the `key=value` pairs of a record; the first of a key counts."""
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(text):
        key, value = found["key"], found["quoted"]
        if value is None:
            value = _unhexed(found["bare"]) if key in _TEXT_FIELDS else found["bare"]
        fields.setdefault(key, value)
    return fields


def _unhexed(value: str) -> str:
    """Return the text behind a value that the kernel wrote as hex."""
    try:
        return bytes.fromhex(value).decode("utf-8", "replace") if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", value) else value
    except ValueError:
        return value


def _first(fields: dict[str, str], *keys: str) -> str | None:
    return next((fields[key] for key in keys if key in fields), None)


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None
