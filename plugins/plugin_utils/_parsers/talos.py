# SPDX-License-Identifier: GPL-3.0-or-later
"""What `talosctl` prints of one host, and the record of ours in the host's META partition.

Sources: siderolabs/talos cmd/talosctl/cmd/talos/{version,get}.go, pkg/machinery/resources/runtime,
pkg/machinery/api/machine/machine.proto, pkg/machinery/meta/constants.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse
from .._model.state import Mac, MacMode, MacSystem
from .json_document import Node, loaded_all

VERSION = "the output of `talosctl version`"
MACHINE = "the machine's status"
SECURITY = "the security state"
EXTENSIONS = "the list of extensions"
RECORD = "the record of what was staged on the host"

_TAG = re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?")
_SCHEMATIC = re.compile(r"[0-9a-f]{64}")
_BOOT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What containers/image takes for a repository, without the tag.
_IMAGE = re.compile(r"(?P<source>[\w.-]+(?::[0-9]+)?(?:/[\w.-]+)+):(?P<tag>[\w][\w.-]{0,127})(?:@sha256:[0-9a-f]{64})?")
_NAME = re.compile(rf"{_TAG.pattern}|{_TAG.pattern}-{_SCHEMATIC.pattern}")
STAGES = frozenset(
    {
        "booting",
        "installing",
        "maintenance",
        "running",
        "rebooting",
        "shuttingDown",
        "resetting",
        "upgrading",
        "unknown",
    }
)
_SELINUX = {
    "disabled": Mac(MacSystem.NONE, MacMode.DISABLED),
    "enabled, permissive": Mac(MacSystem.SELINUX, MacMode.PERMISSIVE),
    "enabled, enforcing": Mac(MacSystem.SELINUX, MacMode.ENFORCING),
}


@dataclass(frozen=True)
class Machine:
    """What the host does. `waits_for`: its conditions that are not met, in words."""

    stage: str
    ready: bool
    waits_for: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """What we installed last: `to` over `before`, while the host ran in `boot_id`. `done`: the installer succeeded."""

    done: bool
    before: str
    to: str
    boot_id: str


@dataclass(frozen=True)
class Installer:
    """An installer image. `name` is what a host is called that runs what it installs."""

    source: str
    tag: str
    name: str


def parse_version(text: str) -> str:
    """Return the tag of what runs (v1.13.2). Raises CannotParse, also for an answer of several hosts."""
    return _matching(VERSION, _TAG, _only(VERSION, text).into("version").get("tag", str))


def parse_machine(text: str) -> Machine:
    """Return what `talosctl get machinestatus -o json` says. Raises CannotParse."""
    spec = _only(MACHINE, text).into("spec")
    stage = spec.get("stage", str)
    if stage not in STAGES:
        raise CannotParse(MACHINE, "unknown stage", stage)
    status = spec.into("status")
    conditions = []
    for one in status.maybe("unmetConditions", list) or []:
        node = Node.of(MACHINE, one)
        conditions.append(f"{node.get('name', str)}: {node.get('reason', str)}")
    ready = status.get("ready", bool)
    if ready and conditions:
        raise CannotParse(MACHINE, "it is ready, and has conditions that are not met", conditions[0])
    return Machine(stage, ready, tuple(conditions))


def parse_security(text: str) -> Mac:
    """Return the state of SELinux, by `talosctl get securitystate -o json`. Raises CannotParse."""
    state = _only(SECURITY, text).into("spec").get("selinuxState", str)
    if state not in _SELINUX:
        raise CannotParse(SECURITY, "unknown selinuxState", state)
    return _SELINUX[state]


def parse_schematic(text: str) -> str | None:
    """Return the id of the image factory's schematic, by `talosctl get extensions -o json`; None where there is none.

    The factory adds an extension of that name, whose version is the id. Raises CannotParse.
    """
    found = None
    for document in loaded_all(EXTENSIONS, text) if text.strip() else []:
        metadata = Node.of(EXTENSIONS, document).into("spec").into("metadata")
        if metadata.get("name", str) == "schematic":
            if found is not None:
                raise CannotParse(EXTENSIONS, "two schematics")
            found = _matching(EXTENSIONS, _SCHEMATIC, metadata.get("version", str))
    return found


def parse_record(text: str) -> Record | None:
    """Return our record, the value of a META key, by `talosctl get metakeys ID -o json`; None where nothing is there.

    Raises CannotParse, also where somebody else uses the key.
    """
    if not text.strip():
        return None
    words = _only(RECORD, text).into("spec").get("value", str).split(" ")
    if len(words) != 5 or words[0] != "flotilla" or words[1] not in ("installing", "installed", "back"):
        raise CannotParse(RECORD, "META key 0x0e holds something that is not ours", " ".join(words)[:80])
    return Record(
        words[1] == "installed",
        _matching(RECORD, _NAME, words[2]),
        _matching(RECORD, _NAME, words[3]),
        _matching(RECORD, _BOOT_ID, words[4]),
    )


def parse_boot_id(text: str) -> str:
    """Return the boot id. Raises CannotParse: it goes into commands."""
    return _matching("the host's boot id", _BOOT_ID, text.strip())


def parse_installer(reference: str) -> Installer:
    """Return what an installer image is. Raises CannotParse for one that names no version."""
    what = f"the installer image {reference}"
    found = _IMAGE.fullmatch(reference)
    if not found:
        raise CannotParse(what, "it is no REGISTRY/REPOSITORY:TAG")
    tag = _matching(what, _TAG, found["tag"])
    last = found["source"].rpartition("/")[2]
    return Installer(found["source"], tag, named(tag, last if _SCHEMATIC.fullmatch(last) else None))


def named(tag: str, schematic: str | None) -> str:
    """Return what a host is called: the version, and what the image factory made of it."""
    return f"{tag}-{schematic}" if schematic else tag


def _only(what: str, text: str) -> Node:
    documents = loaded_all(what, text)
    if len(documents) != 1:
        raise CannotParse(what, f"{len(documents)} hosts answer; set one node")
    return Node.of(what, documents[0])


def _matching(what: str, pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise CannotParse(what, "unknown form", value[:120])
    return value
