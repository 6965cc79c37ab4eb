# SPDX-License-Identifier: GPL-3.0-or-later
"""What `rpm-ostree status` prints: JSON, or the text of tools that have no `--json`.

Sources: coreos/rpm-ostree src/app/rpmostree-builtin-status.cxx, rust/src/daemon.rs (deployment_populate_variant),
man/rpm-ostree.xml. Every key but those of an entry's identity is optional: they came over ten years.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._errors import CannotParse
from .ostree import Entry as OstreeEntry

_JSON = "the output of `rpm-ostree status --json`"
_TEXT = "the output of `rpm-ostree status`"
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One deployment.

    `checksum` is the deployed commit, with layering a local one that no server knows; `base_checksum` is set only
    then. `serial` is None where the text does not show it. `origin` is an ostree refspec, a bare commit, or an image
    reference; `image_digest` belongs to the latter. `valid_signature`: None where signatures are not asked for.
    """

    osname: str | None
    checksum: str
    serial: int | None
    booted: bool
    staged: bool
    pinned: bool = False
    version: str | None = None
    origin: str | None = None
    is_image: bool = False
    image_digest: str | None = None
    base_checksum: str | None = None
    valid_signature: bool | None = None

    @property
    def id(self) -> str:
        """The name of its directory under /ostree/deploy/OSNAME/deploy, which is what the guard can see."""
        return self.checksum if self.serial is None else f"{self.checksum}.{self.serial}"

    @property
    def digest(self) -> str:
        """What the publisher calls this OS: the image's digest, or the commit below all client-side layering."""
        return self.image_digest or self.base_checksum or self.checksum


@dataclass(frozen=True)
class Status:
    """`transaction`: what the daemon is doing, None when it is idle."""

    entries: tuple[Entry, ...]
    transaction: str | None


def parse_status(text: str) -> Status:
    """Return the deployments in boot order, with what else `rpm-ostree status` says. Raises CannotParse."""
    status = _parse_json(text) if text.lstrip().startswith("{") else _parse_text(text)
    what = _JSON if text.lstrip().startswith("{") else _TEXT
    if sum(entry.booted for entry in status.entries) > 1:
        raise CannotParse(what, "two deployments are booted")
    if any(entry.staged and (index or entry.booted) for index, entry in enumerate(status.entries)):
        raise CannotParse(what, "a staged deployment is not the first one, or is booted")
    if len({(entry.osname, entry.id) for entry in status.entries}) < len(status.entries) and all(
        entry.serial is not None for entry in status.entries
    ):
        raise CannotParse(what, "two deployments are the same")
    return status


def with_serials(entries: Sequence[Entry], known: Sequence[OstreeEntry]) -> tuple[Entry, ...]:
    """Return `entries`, read from text, with the serials, commits and pins that `ostree admin status` shows.

    Raises CannotParse where the two do not speak of the same deployments in the same order.
    """
    # Where the text names only the base of a layered deployment, its own commit is known to ostree alone.
    same = len(entries) == len(known) and all(
        one.booted == other.booted and (other.checksum == one.checksum or one.checksum == one.base_checksum)
        for one, other in zip(entries, known, strict=False)
    )
    if not same:
        raise CannotParse(_TEXT, "`ostree admin status` shows other deployments")
    return tuple(
        replace(
            one,
            osname=other.stateroot,
            checksum=other.checksum,
            serial=other.serial,
            staged=one.staged or other.position == "staged",
            pinned=one.pinned or other.pinned,
        )
        for one, other in zip(entries, known, strict=True)
    )


# -- JSON


def _parse_json(text: str) -> Status:
    try:
        shown = json.loads(text)
        entries = tuple(_entry(item) for item in shown["deployments"])
        transaction = shown.get("transaction")
        return Status(
            entries,
            None if transaction is None else f"{_text(transaction[0])} (asked for by {_text(transaction[1])})",
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
        raise CannotParse(_JSON, f"{type(exc).__name__}: {exc}") from exc


def _entry(item: dict[str, object]) -> Entry:
    image = _optional(item, "container-image-reference")
    osname, checksum, serial = _text(item["osname"]), _checksum(item["checksum"]), item["serial"]
    if not isinstance(serial, int) or isinstance(serial, bool) or serial < 0:
        raise ValueError(f"not a serial: {serial!r}")
    if item.get("id", f"{osname}-{checksum}.{serial}") != f"{osname}-{checksum}.{serial}":
        raise ValueError(f"the id {item['id']!r} is not that of {checksum}")
    base = item.get("base-checksum")
    return Entry(
        osname=osname,
        checksum=checksum,
        serial=serial,
        booted=_flag(item["booted"]),
        staged=_flag(item.get("staged", False)),
        pinned=_flag(item.get("pinned", False)),
        version=_optional(item, "version"),
        origin=image or _optional(item, "origin"),
        is_image=image is not None,
        image_digest=_image_digest(item) if image else None,
        base_checksum=None if base is None else _checksum(base),
        valid_signature=_valid(item),
    )


def _image_digest(item: dict[str, object]) -> str | None:
    """Missing where the tool cannot read the image's metadata."""
    digest = item.get("container-image-reference-digest")
    if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise ValueError(f"not a digest: {digest!r}")
    return digest


def _valid(item: dict[str, object]) -> bool | None:
    if not _flag(item.get("gpg-enabled", False)):
        return None
    signatures = item.get("signatures", [])
    if not isinstance(signatures, list):
        raise TypeError("signatures is not a list")
    return any(_flag(one[0]) for one in signatures)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"not a text: {value!r}")
    return value


def _optional(item: dict[str, object], key: str) -> str | None:
    return None if item.get(key) is None else _text(item[key])


def _checksum(value: object) -> str:
    if not isinstance(value, str) or not _CHECKSUM.fullmatch(value):
        raise ValueError(f"not a checksum: {value!r}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"not true or false: {value!r}")
    return value


# -- text: `State: …`, lines about updates, `Deployments:`, and a block for each

_DETAIL = re.compile(r"\s*(?P<key>[A-Z][A-Za-z]+): (?P<value>.*\S)\s*")
# `●` is `*` where the locale has no such character; the index is shown by -v.
_HEAD = re.compile(r"(?P<mark>[●*]| ) (?P<origin>\S+|\(error fetching image metadata\))(?: \(index: \d+\))?\s*")
# A title of the commit's source, or the second and further lines of a value; they are indented more than a head is.
_FURTHER = re.compile(r"\s*[├└]|\s{3,}\S")
_SIGNATURE = {"Valid signature": True, "Good signature": True, "(unsigned)": False}
_NO_SIGNATURE = re.compile(r"BAD signature|Invalid signature|Can't check signature|[Ee]xpired|[Rr]evoked")


def _parse_text(text: str) -> Status:
    lines = text.splitlines()
    state = next((number for number, line in enumerate(lines) if line.startswith("State: ")), None)
    if state is None:
        raise CannotParse(_TEXT, "it names no state", text.strip()[:200])
    word = lines[state].removeprefix("State: ").strip()
    if word not in ("idle", "busy"):
        raise CannotParse(_TEXT, "unknown state", lines[state])
    begin = next((number for number, line in enumerate(lines) if line.rstrip() == "Deployments:"), None)
    if begin is None or begin < state:
        raise CannotParse(_TEXT, "it names no deployments")
    about = {found["key"]: found["value"] for line in lines[state:begin] if (found := _DETAIL.fullmatch(line))}
    transaction = about.get("Transaction", "a transaction without a title") if word == "busy" else None
    return Status(tuple(_blocks(lines[begin + 1 :])), transaction)


def _blocks(lines: Sequence[str]) -> list[Entry]:
    heads: list[tuple[str, dict[str, str]]] = []
    for line in lines:
        if not line.strip():
            continue
        detail, head = _DETAIL.fullmatch(line), _HEAD.fullmatch(line)
        if detail and heads:
            key, value = detail.group("key", "value")
            if key in heads[-1][1] and key.endswith("Commit"):
                raise CannotParse(_TEXT, "a deployment has two commits", line)
            heads[-1][1].setdefault(key, value)
        elif head and not detail:
            heads.append((line, {}))
        elif heads and _FURTHER.match(line):
            heads[-1][1]["GPGSignature"] = _joined(heads[-1][1].get("GPGSignature"), line)
        else:
            raise CannotParse(_TEXT, "unknown line", line)
    return [_block(head, details) for head, details in heads]


def _joined(before: str | None, line: str) -> str:
    """With -v what is said of a signature takes further lines; those of other values have none of its words."""
    return f"{before or ''} {line.strip()}" if "ignature" in line or before is None else before


def _block(head: str, details: dict[str, str]) -> Entry:
    found = _HEAD.fullmatch(head)
    digest = details.get("Digest")
    base = details.get("BaseCommit") or details.get("BootedBaseCommit")
    commit = details.get("Commit") or details.get("BootedCommit") or base
    if found is None or commit is None or not _CHECKSUM.fullmatch(commit):
        raise CannotParse(_TEXT, "a deployment without its commit", head)
    if base is not None and not _CHECKSUM.fullmatch(base):
        raise CannotParse(_TEXT, "not a commit", base)
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise CannotParse(_TEXT, "not a digest", digest)
    origin = found["origin"].removeprefix("ostree://")
    if "Version" in details and not details["Version"].endswith(")"):
        raise CannotParse(_TEXT, "a version without its time", details["Version"])
    return Entry(
        osname=details.get("StateRoot") or details.get("OSName"),
        checksum=commit,
        serial=None,
        booted=found["mark"] != " ",
        staged=details.get("Staged") == "yes",
        pinned=details.get("Pinned") == "yes",
        version=details["Version"].rpartition(" (")[0] if "Version" in details else None,
        origin=None if _CHECKSUM.fullmatch(origin) or origin.startswith("(") else origin,
        is_image=digest is not None or origin.startswith("("),
        image_digest=digest,
        base_checksum=base,
        valid_signature=_signature(details.get("GPGSignature", "")),
    )


def _signature(said: str) -> bool | None:
    if _NO_SIGNATURE.search(said) and "Good signature" not in said:
        return False
    return next((valid for words, valid in _SIGNATURE.items() if words in said), None)
