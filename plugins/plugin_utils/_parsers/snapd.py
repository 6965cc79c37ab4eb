# SPDX-License-Identifier: GPL-3.0-or-later
"""What snapd answers over REST (/v2/...), and the record of the initramfs of Ubuntu Core 20 and later (modeenv).

Sources: canonical/snapd client/{snap,change,model}.go, daemon/response.go, boot/modeenv.go, boot/bootstate20.go.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import CannotParse, FlotillaError
from .key_value import parse_key_values

MODEENV = "/var/lib/snapd/modeenv"
# What a boot status says (boot/boot.go): settled; set before the reboot; set by the early boot code that tries it.
SETTLED, TRY, TRYING = "", "try", "trying"
# The mode of a system that does its work; the others are install, recover and factory-reset.
RUN = "run"
# A change of these kinds is in progress for as long as a device has no serial, or changes nothing.
_HARMLESS_CHANGES = frozenset({"become-operational", "pre-download"})

# snap/naming/validate.go; a revision of the store is a number, a local one has an x before it.
_NAME = re.compile(r"(?=[a-z0-9-]*[a-z])[a-z0-9](?:-?[a-z0-9])*")
_REVISION = re.compile(r"x?[1-9][0-9]*")
_FILE = re.compile(rf"({_NAME.pattern})_({_REVISION.pattern})\.snap")
_MEMBER = re.compile(rf"({_NAME.pattern})_({_REVISION.pattern})")


@dataclass(frozen=True)
class SnapSet:
    """The snaps that are the OS, as (name, revision), sorted by name."""

    members: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, revisions: Mapping[str, str]) -> SnapSet:
        return cls(tuple(sorted(revisions.items())))

    @classmethod
    def parse(cls, text: str) -> SnapSet:
        """Read an id back. Raises CannotParse."""
        found = [_MEMBER.fullmatch(part) for part in text.split("+")]
        members = [(one[1], one[2]) for one in found if one]
        if len(members) < len(found) or members != sorted(dict(members).items()):
            raise CannotParse("a set of snaps", "it is not NAME_REVISION+NAME_REVISION..., sorted by name", text)
        return cls(tuple(members))

    @property
    def id(self) -> str:
        return "+".join(f"{name}_{revision}" for name, revision in self.members)

    @property
    def digest(self) -> str:
        """SHA-256 of the id, which says all of a set from the store."""
        return hashlib.sha256(self.id.encode()).hexdigest()

    def digest_by(self, sums: Mapping[str, str]) -> str | None:
        """Return the digest where local revisions, which each host counts for itself, are told by what is in them.

        `sums`: {NAME_xN: SHA-256 of the snap's file}. None where that of a local member is not known.
        """
        told = []
        for name, revision in self.members:
            content = sums.get(f"{name}_{revision}") if revision.startswith("x") else revision
            if content is None:
                return None
            told.append(f"{name}_{content}")
        return hashlib.sha256("+".join(told).encode()).hexdigest()

    @property
    def version(self) -> str:
        """The same for people: the snaps' files without their suffix."""
        return self.id.replace("+", " ")

    @property
    def revisions(self) -> dict[str, str]:
        return dict(self.members)

    @property
    def from_store(self) -> bool:
        """Each of them came with assertions: what has none has a local revision."""
        return not any(revision.startswith("x") for _name, revision in self.members)


@dataclass(frozen=True)
class Snap:
    """A revision that is installed. `tracking`: the channel that it follows; `version`: for people, by its maker."""

    name: str
    revision: str
    tracking: str | None
    active: bool
    version: str | None = None


@dataclass(frozen=True)
class Change:
    """Something that snapd is in the middle of."""

    id: str
    kind: str
    summary: str
    status: str

    @property
    def harmless(self) -> bool:
        return self.kind in _HARMLESS_CHANGES


@dataclass(frozen=True)
class Modeenv:
    """What boots: `base` and `kernels[0]`, or, as their status says, `try_base` and `kernels[-1]`.

    There is a kernel in `mode` RUN; the other modes need none.

    `classic`: the root file system is not the base snap, but installed from packages.
    """

    mode: str
    base: tuple[str, str]
    kernels: tuple[tuple[str, str], ...]
    try_base: tuple[str, str] | None
    base_status: str
    gadget: str | None
    model: str | None
    classic: bool

    def boots(self, kernel_status: str, tried: str) -> dict[str, str]:
        """Return base and kernel, as {name: revision}, where those to be tried count if their status is `tried`.

        With TRYING these are the ones that run, with TRY those that boot next.
        """
        base = self.try_base if self.base_status == tried and self.try_base else self.base
        return dict([base, self.kernels[-1] if kernel_status == tried else self.kernels[0]])


def parse_snaps(text: str) -> tuple[Snap, ...]:
    """Return what `GET /v2/snaps?select=all` lists. Raises CannotParse, FlotillaError."""
    what = "snapd's list of snaps"
    snaps = tuple(_snap(_object(one, "a snap", what), what) for one in _list(_result(text, what), what))
    names = [one.name for one in snaps if one.active]
    if len(set(names)) < len(names):
        raise CannotParse(what, "two revisions of one snap are active")
    return snaps


def parse_changes(text: str) -> tuple[Change, ...]:
    """Return the changes of `GET /v2/changes`, in the order of their ids. Raises CannotParse, FlotillaError."""
    what = "snapd's list of changes"
    found = []
    # Where there are none, the result is null in some versions.
    for one in _list(_result(text, what) or [], what):
        change = _object(one, "a change", what)
        words = [_text(change, key, what) for key in ("id", "kind", "summary", "status")]
        if not isinstance(change.get("ready"), bool):
            raise CannotParse(what, "a change is neither ready nor not")
        if not change["ready"]:
            found.append(Change(*words))
    return tuple(sorted(found, key=lambda change: (len(change.id), change.id)))


def parse_offer(text: str) -> dict[str, str]:
    """Return {name: revision} of `GET /v2/find?select=refresh`: what a refresh would take. Raises like the others."""
    what = "what snapd finds to refresh"
    offered: dict[str, str] = {}
    for one in _list(_result(text, what, absent="snap-no-update-available") or [], what):
        snap = _object(one, "a snap", what)
        name = _matching(_NAME, snap.get("name"), "name", what)
        if offered.setdefault(name, _revision(snap, what)) != _revision(snap, what):
            raise CannotParse(what, f"{name} occurs twice")
    return offered


def parse_hold(text: str) -> str | None:
    """Return refresh.hold of `GET /v2/snaps/system/conf?keys=refresh`: a time, "forever", or None."""
    what = "snapd's settings"
    found = _object(_result(text, what, absent="option-not-found") or {}, "the result", what).get("refresh", {})
    hold = _object(found, "refresh", what).get("hold")
    if hold is not None and not (isinstance(hold, str) and hold):
        raise CannotParse(what, f"refresh.hold is {hold!r}")
    return hold


def parse_validation_sets(text: str) -> tuple[str, ...]:
    """Return the sets that `GET /v2/validation-sets` says are enforced: ACCOUNT/NAME, with =SEQUENCE where pinned."""
    what = "snapd's validation sets"
    enforced = []
    for one in _list(_result(text, what) or [], what):
        entry = _object(one, "a set", what)
        account, name = (_text(entry, key, what) for key in ("account-id", "name"))
        pinned = entry.get("pinned-at", 0)
        if not isinstance(pinned, int) or isinstance(pinned, bool) or entry.get("mode") not in ("monitor", "enforce"):
            raise CannotParse(what, f"{account}/{name} has no mode, or is pinned at {pinned!r}")
        if entry["mode"] == "enforce":
            enforced.append(f"{account}/{name}" + (f"={pinned}" if pinned else ""))
    return tuple(sorted(enforced))


def parse_modeenv(text: str) -> Modeenv:
    """Return what the early boot code goes by. Raises CannotParse."""
    what = f"the file {MODEENV}"
    words = parse_key_values(text)
    if not text.endswith("\n"):
        raise CannotParse(what, "it is empty or cut off")
    status = words.get("base_status", SETTLED)
    if status not in (SETTLED, TRY, TRYING):
        raise CannotParse(what, f"base_status is {status!r}")
    if not words.get("mode") or (words["mode"] == RUN and not words.get("current_kernels")):
        raise CannotParse(what, "it has no mode or no current_kernels")
    try_base = _file(words["try_base"], what) if words.get("try_base") else None
    if status != SETTLED and try_base is None:
        raise CannotParse(what, f"base_status is {status}, and there is no try_base")
    return Modeenv(
        mode=words["mode"],
        base=_file(words.get("base", ""), what),
        kernels=tuple(_file(name, what) for name in words.get("current_kernels", "").split(",") if name),
        try_base=try_base,
        base_status=status,
        gadget=_file(words["gadget"], what)[0] if words.get("gadget") else None,
        model=words.get("model"),
        classic=words.get("classic") == "true",
    )


def _snap(snap: Mapping[str, Any], what: str) -> Snap:
    # A snap that is broken and not active has no status (client/packages.go).
    known = ("active", "installed", "") if "broken" in snap else ("active", "installed")
    if snap.get("status") not in known:
        raise CannotParse(what, f"status is {snap.get('status')!r}")
    tracking = snap.get("tracking-channel") or None
    if tracking is not None and not isinstance(tracking, str):
        raise CannotParse(what, "tracking-channel is no text")
    return Snap(
        name=_matching(_NAME, snap.get("name"), "name", what),
        revision=_revision(snap, what),
        tracking=tracking,
        active=snap["status"] == "active",
        version=_text(snap, "version", what) if snap.get("version") else None,
    )


def _result(text: str, what: str, absent: str | None = None) -> object:
    """Return the result of an answer, None for an error of the kind `absent`. Raises FlotillaError for other errors."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise CannotParse(what, "it is empty" if not text.strip() else f"not JSON: {exc}") from exc
    answer = _object(answer, "the answer", what)
    if answer.get("type") == "error":
        error = _object(answer.get("result"), "the error", what)
        if absent is not None and error.get("kind") == absent:
            return None
        raise FlotillaError(f"cannot read {what}: {_text(error, 'message', what)}")
    if answer.get("type") != "sync" or "result" not in answer:
        raise CannotParse(what, f"an answer of type {answer.get('type')!r}, or without a result")
    return answer["result"]


def _object(value: object, where: str, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CannotParse(what, f"{where} is no object")
    return value


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise CannotParse(what, "the result is no list")
    return value


def _text(entry: Mapping[str, Any], key: str, what: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise CannotParse(what, f"{key} is {value!r}")
    return value


def _revision(snap: Mapping[str, Any], what: str) -> str:
    """Return a revision. It is text, in answers about the store a number in some versions."""
    value = snap.get("revision")
    return _matching(_REVISION, str(value) if isinstance(value, int) else value, "revision", what)


def _matching(pattern: re.Pattern[str], value: object, where: str, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise CannotParse(what, f"{where} is {value!r}")
    return value


def _file(name: str, what: str) -> tuple[str, str]:
    found = _FILE.fullmatch(name)
    if not found:
        raise CannotParse(what, f"{name!r} is no file of a snap")
    return found[1], found[2]
