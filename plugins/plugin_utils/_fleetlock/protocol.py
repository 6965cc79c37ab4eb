# SPDX-License-Identifier: GPL-3.0-or-later
"""FleetLock, both sides of it: requests made and read, answers made and judged. Pure.

The protocol: POST to two places, with a header and a JSON body; 2xx means yes and everything else no, with a JSON
reason. Servers differ in how they say no: airlock with 500, poseidon's fleetlock with 423, others with 409. So a no is
judged by what a repetition can change, not by one status.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass

from .._errors import Refused

PRE_REBOOT, STEADY_STATE = "/v1/pre-reboot", "/v1/steady-state"
# Proof that the request was meant, and did not end up here by a redirect.
HEADER, HEADER_VALUE = "fleet-lock-protocol", "true"
# What a group may be called, by the protocol.
_GROUP = re.compile(r"[a-zA-Z0-9.-]{1,100}")
# An id is free text; it goes into logs and into a column, so it is short and printable.
_ID = re.compile(r"[!-~]{1,200}")
# A name and password in a URL would show in messages and logs.
_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f/?#@]+(?:/[^\s\x00-\x1f\x7f?#]*)?")
# A request is some 100 bytes; an answer a sentence. More (bytes) is not read.
BODY_LIMIT = 16_384
# How much (characters) of what a server says is shown.
_SHOWN = 300
# "Not now": the same request may be granted later. All of 5xx are, too.
_LATER = frozenset({408, 409, 423, 425, 429})


class Kind(str, enum.Enum):
    """Why our server says no: a closed set, as the protocol asks. Airlock's and poseidon's words where they fit."""

    MISSING_HEADER = "missing_header"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_FOUND = "not_found"
    DECODE_ERROR = "decode_error"
    INVALID_CLIENT_IDENTITY = "invalid_client_identity"
    UNKNOWN_GROUP = "unknown_group"
    FAILED_LOCK = "failed_lock"
    BREAKER_TRIPPED = "breaker_tripped"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    INTERNAL_ERROR = "internal_error"


STATUS = {
    Kind.MISSING_HEADER: 400,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.NOT_FOUND: 404,
    Kind.DECODE_ERROR: 400,
    Kind.INVALID_CLIENT_IDENTITY: 400,
    Kind.UNKNOWN_GROUP: 400,
    # Locked: nothing is wrong with the server, so that proxies and alarms for 5xx are left alone.
    Kind.FAILED_LOCK: 423,
    Kind.BREAKER_TRIPPED: 423,
    Kind.LEDGER_UNAVAILABLE: 503,
    Kind.INTERNAL_ERROR: 500,
}


class ProtocolError(Exception):
    """A request that gets no for an answer."""

    def __init__(self, kind: Kind, value: str) -> None:
        super().__init__(value)
        self.kind = kind
        self.value = value

    def body(self) -> dict[str, str]:
        return {"kind": self.kind.value, "value": self.value}


@dataclass(frozen=True)
class Identity:
    """Who asks. `id`: unique in the fleet, case matters. `group`: hosts that share slots."""

    id: str
    group: str

    @classmethod
    def checked(cls, name: str, group: str) -> Identity:
        """Return the identity. Raises Refused for what no server would take."""
        if not _ID.fullmatch(name):
            raise Refused(f"cannot use {name!r} as the id of a reboot lock: it must be 1 to 200 printable characters")
        if not _GROUP.fullmatch(group):
            raise Refused(f"cannot use {group!r} as the group of a reboot lock: letters, digits, '.' and '-' only")
        return cls(name, group)

    def body(self) -> bytes:
        """Return the request body."""
        return json.dumps({"client_params": {"id": self.id, "group": self.group}}).encode()


def read_request(header: str | None, body: bytes) -> Identity:
    """Return who asks. Raises ProtocolError."""
    if header != HEADER_VALUE:
        raise ProtocolError(Kind.MISSING_HEADER, f"missing required header {HEADER}: {HEADER_VALUE}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError(Kind.DECODE_ERROR, "error decoding message: it is not JSON") from exc
    params = found.get("client_params") if isinstance(found, dict) else None
    if not isinstance(params, dict):
        raise ProtocolError(Kind.DECODE_ERROR, "error decoding message: it has no object client_params")
    name, group = params.get("id"), params.get("group")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ProtocolError(Kind.INVALID_CLIENT_IDENTITY, "id must be 1 to 200 printable characters without spaces")
    if not isinstance(group, str) or not _GROUP.fullmatch(group):
        raise ProtocolError(Kind.INVALID_CLIENT_IDENTITY, "group must consist of letters, digits, '.' and '-'")
    return Identity(name, group)


def is_group(name: str) -> bool:
    """Tell whether a group may be called so."""
    return bool(_GROUP.fullmatch(name))


def endpoint(base: str, place: str) -> str:
    """Return the URL of `place` below `base`, with or without a slash at its end. Raises Refused."""
    if not _URL.fullmatch(base):
        raise Refused(
            "cannot use the URL of the lock server: it must be http:// or https://, without spaces, query, name and "
            "password (send those as a header)"
        )
    return base.rstrip("/") + place


class Meaning(str, enum.Enum):
    """What an answer means to who asked."""

    GRANTED = "granted"
    LATER = "later"  # no, and asking again may help
    NEVER = "never"  # no, and asking the same again will not help: a wrong URL, group, header, permission


@dataclass(frozen=True)
class Answer:
    """What a server said. `kind`, `value`: its reason, None where it gave none that can be read.

    `changed`: False where it said, in its JSON, that nothing changed by it; ours does.
    """

    meaning: Meaning
    status: int
    kind: str | None = None
    value: str | None = None
    changed: bool = True

    def sentence(self) -> str:
        """Return the reason in one line."""
        return f"{self.status} {self.kind or 'without a kind'}: {self.value or 'no reason given'}"


def judge(status: int, body: bytes) -> Answer:
    """Return what an answer means. Only 2xx is a yes; what is not understood is a no."""
    kind, value, changed = _reason(body)
    if 200 <= status < 300:
        return Answer(Meaning.GRANTED, status, kind, value, changed)
    later = status in _LATER or status >= 500
    return Answer(Meaning.LATER if later else Meaning.NEVER, status, kind, value)


def _reason(body: bytes) -> tuple[str | None, str | None, bool]:
    text = body[:BODY_LIMIT].decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # Airlock was once plain text; a proxy answers with a page, which says nothing.
        return None, None if text.startswith("<") else _line(text), True
    if not isinstance(found, dict):
        return None, _line(text), True
    kind, value = found.get("kind"), found.get("value")
    return (
        _line(kind) if isinstance(kind, str) else None,
        _line(value) if isinstance(value, str) else None,
        found.get("changed") is not False,
    )


def _line(text: str) -> str | None:
    """Return `text` as one printable line, or None for an empty one."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return shown[:_SHOWN] or None
