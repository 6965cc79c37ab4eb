# SPDX-License-Identifier: GPL-3.0-or-later
"""What RAUC says of its slots and of a bundle, in JSON, and the records of ours beside them.

Sources: rauc/rauc src/main.c (status_format_json, info_formatter_json), 1.8 to 1.16; busctl(1), "--json=short".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import CannotParse

STATUS = "the output of `rauc status`"
INFO = "the output of `rauc info`"
OPERATION = "what RAUC's service is doing"
SEEN = "what is known of the slots"
# `booted` of a system that came from somewhere else than a slot (src/main.c).
EXTERNAL = "_external_"

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Slot:
    """A slot that can be booted. `name`: rootfs.0; `bootname`: what the boot loader calls it.

    `good` is None where the boot loader's state is unknown (1.16). `digest`: of the bundle's manifest, before RAUC 1.11
    of the image; None where RAUC has not written the slot, or is not done with it. `installed`: when, in ISO 8601.
    """

    name: str
    bootname: str
    booted: bool
    good: bool | None
    version: str | None
    digest: str | None
    installed: str


@dataclass(frozen=True)
class Status:
    """`booted`: bootname of what runs, None where it is no slot. `primary`: the name of the slot that boots next."""

    compatible: str
    booted: str | None
    primary: str | None
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Bundle:
    """What is offered. `names`: the digests that an installed slot may have for it, the one to use first."""

    compatible: str
    version: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What we saw ourselves. `digests` by bootname; `first`: what the boot loader tries first, where we can read it.

    `staged`: the id of what we staged. `factory`: digest and version, by bootname, of what ran before RAUC wrote it.
    `version`: of the OS that runs, by itself.
    """

    running: str | None
    first: str | None
    staged: str | None
    version: str | None
    digests: Mapping[str, str]
    factory: Mapping[str, tuple[str, str | None]]


def parse_status(text: str) -> Status:
    """Return what `rauc status --detailed --output-format=json-pretty` says. Raises CannotParse."""
    said = _object(_loaded(STATUS, text), "it", STATUS)
    compatible = _text(said, "compatible", STATUS)
    booted, primary = _text_or_none(said, "booted", STATUS), _text_or_none(said, "boot_primary", STATUS)
    listed = said.get("slots")
    if not isinstance(listed, list):
        raise CannotParse(STATUS, "slots is no list")
    slots: list[Slot] = []
    for one in listed:
        entry = _object(one, "a slot", STATUS)
        if len(entry) != 1:
            raise CannotParse(STATUS, "a slot has not one name", str(entry))
        ((name, about),) = entry.items()
        slot = _slot(name, _object(about, name, STATUS))
        if slot is not None:
            slots.append(slot)
    if len({slot.bootname for slot in slots}) != len(slots):
        raise CannotParse(STATUS, "two slots have one bootname")
    running = [slot.bootname for slot in slots if slot.booted]
    if running != ([] if booted in (None, EXTERNAL) else [booted]):
        raise CannotParse(STATUS, f"booted is {booted}, and the slots say {', '.join(running) or 'none'}")
    if primary is not None and primary not in [slot.name for slot in slots]:
        raise CannotParse(STATUS, f"boot_primary is {primary}, which is no slot that boots")
    return Status(compatible, None if booted == EXTERNAL else booted, primary, tuple(slots))


def _slot(name: str, about: Mapping[str, Any]) -> Slot | None:
    bootname = _text_or_none(about, "bootname", STATUS)
    state = _text(about, "state", STATUS)
    if state not in ("booted", "active", "inactive"):
        raise CannotParse(STATUS, f"the state of {name} is unknown", state)
    if bootname is None:
        return None
    health = _text_or_none(about, "boot_status", STATUS)
    if health not in ("good", "bad", "unknown", None):
        raise CannotParse(STATUS, f"the boot_status of {name} is unknown", health)
    if "slot_status" not in about:
        raise CannotParse(STATUS, f"{name} has no slot_status")
    status = _object(about["slot_status"], f"slot_status of {name}", STATUS)
    bundle = _object(status.get("bundle") or {}, f"bundle of {name}", STATUS)
    checksum = _object(status.get("checksum") or {}, f"checksum of {name}", STATUS)
    installed = _object(status.get("installed") or {}, f"installed of {name}", STATUS)
    digest = _text_or_none(bundle, "hash", STATUS) or _text_or_none(checksum, "sha256", STATUS)
    if digest is not None and not _HASH.fullmatch(digest):
        raise CannotParse(STATUS, f"the hash of {name} is none", digest)
    return Slot(
        name=name,
        bootname=bootname,
        booted=state == "booted",
        good=None if health in ("unknown", None) else health == "good",
        version=_text_or_none(bundle, "version", STATUS),
        digest=digest if _text_or_none(status, "status", STATUS) == "ok" else None,
        installed=_text_or_none(installed, "timestamp", STATUS) or "",
    )


def parse_offer(text: str) -> Bundle:
    """Return what is offered: a line with the class of the slots that boot, then `rauc info --output-format=json`.

    Raises CannotParse.
    """
    slot_class, _end, answer = text.partition("\n")
    said = _object(_loaded(INFO, answer), "it", INFO)
    manifest = _text_or_none(said, "hash", INFO)
    images = said.get("images")
    if not isinstance(images, list):
        raise CannotParse(INFO, "images is no list")
    found = [about for one in images for name, about in _object(one, "an image", INFO).items() if name == slot_class]
    if not found:
        raise CannotParse(INFO, f"the bundle has no image for slots of class {slot_class!r}")
    image = _text_or_none(_object(found[0], "an image", INFO), "checksum", INFO)
    names = tuple(name for name in (manifest, image) if name is not None)
    wrong = [name for name in names if not _HASH.fullmatch(name)]
    if wrong or not names:
        raise CannotParse(INFO, "it has no hash", wrong[0] if wrong else None)
    return Bundle(_text(said, "compatible", INFO), _text(said, "version", INFO), names)


def parse_operation(text: str) -> str | None:
    """Return what the service is in the middle of, None where it is idle: `busctl --json=short get-property`."""
    said = _object(_loaded(OPERATION, text), "it", OPERATION)
    operation = _text(said, "data", OPERATION)
    return None if operation == "idle" else operation


def parse_seen(text: str) -> Seen:
    """Return what `seen` in `_drivers/rauc_guard.sh` prints. Raises CannotParse."""
    single: dict[str, str] = {}
    digests: dict[str, str] = {}
    factory: dict[str, tuple[str, str | None]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        words = value.split(" ")
        if key in ("running", "first", "staged", "version") and equals and key not in single:
            single[key] = value
        elif key == "slot" and len(words) == 2 and _HASH.fullmatch(words[1]):
            digests[words[0]] = words[1]
        elif key == "factory" and len(words) == 3 and _HASH.fullmatch(words[1]):
            factory[words[0]] = (words[1], words[2] or None)
        elif key != "slot" or len(words) != 2 or words[1]:
            raise CannotParse(SEEN, "unknown line", line)
    if len(single) != 4:
        raise CannotParse(SEEN, "it is cut off", text[-80:])
    running, first, staged, version = (single[key] or None for key in ("running", "first", "staged", "version"))
    return Seen(running, first, staged, version, digests, factory)


def _loaded(what: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise CannotParse(what, "it is empty" if not text.strip() else f"not JSON: {exc}") from exc


def _object(value: object, name: str, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CannotParse(what, f"{name} is no object", str(value))
    return value


def _text(owner: Mapping[str, Any], key: str, what: str) -> str:
    value = _text_or_none(owner, key, what)
    if not value:
        raise CannotParse(what, f"it has no {key}")
    return value


def _text_or_none(owner: Mapping[str, Any], key: str, what: str) -> str | None:
    value = owner.get(key)
    if value is not None and not isinstance(value, str):
        raise CannotParse(what, f"{key} is no text", str(value))
    return value
