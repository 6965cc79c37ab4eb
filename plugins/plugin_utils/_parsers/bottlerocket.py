# SPDX-License-Identifier: GPL-3.0-or-later
"""What Bottlerocket's `apiclient` and `signpost` print, and the record of ours beside them.

Sources: bottlerocket-core-kit sources/api/thar-be-updates/src/status.rs, sources/api/apiclient,
sources/updater/signpost/src/{state,gptprio}.rs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse
from .json_document import Node, loaded

STATES = ("Idle", "Available", "Staged", "Ready")
STATUS = "the update status of Bottlerocket"
OS = "the output of `apiclient get os`"
SETTINGS = "the output of `apiclient get settings.updates`"
SETS = "the output of `signpost status`"

# semver, as the API prints it; variants and architectures are called as in the repositories (aws-k8s-1.31, x86_64).
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_WORD = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
_SET = re.compile(
    r"Set ([AB]): +boot=\S+ root=\S+ hash=\S+ priority=([0-9]+) tries_left=([0-9]+) successful=(true|false)"
)


@dataclass(frozen=True)
class Image:
    """An OS image: what it is called is what it is, as the repository that has it is signed."""

    version: str
    variant: str
    arch: str

    @property
    def name(self) -> str:
        """The image in one word, the version first: messages show its beginning."""
        return f"{self.version}-{self.variant}-{self.arch}"


@dataclass(frozen=True)
class Status:
    """Where the update dispatcher stands. `staging`: what it has written in this boot; `next`: that boots next.

    `failure`: what the last command said, when it failed.
    """

    state: str
    available: tuple[str, ...]
    chosen: Image | None
    active: Image | None
    staging: Image | None
    next: bool
    failure: str | None = None


@dataclass(frozen=True)
class Settings:
    """The update settings. `lock`: "latest" or a version."""

    lock: str
    metadata: str | None
    targets: str | None
    ignore_waves: bool


@dataclass(frozen=True)
class Flags:
    """How the boot loader sees a partition set."""

    priority: int
    tries: int
    successful: bool


@dataclass(frozen=True)
class Sets:
    """Both partition sets: the one that runs, the other one, and whether that one boots next."""

    active: Flags
    inactive: Flags
    inactive_next: bool


@dataclass(frozen=True)
class Os:
    """The OS that runs."""

    image: Image
    pretty_name: str | None


def parse_status(text: str) -> Status:
    """Return the status. Raises CannotParse, also for one that contradicts itself."""
    node = Node.of(STATUS, loaded(STATUS, text))
    state = node.get("update_state", str)
    # What is not there is null; a key that is left out is damage.
    for key in ("chosen_update", "active_partition", "staging_partition", "most_recent_command"):
        if key not in node.members:
            raise CannotParse(STATUS, f"it has no {key}")
    if state not in STATES:
        raise CannotParse(STATUS, "unknown state", state)
    active, active_next = _partition(node, "active_partition")
    staging, staging_next = _partition(node, "staging_partition")
    if state in ("Staged", "Ready") and staging is None:
        raise CannotParse(STATUS, f"it is {state}, and no image is in staging_partition")
    if (state == "Ready") != staging_next or (staging_next and active_next):
        raise CannotParse(STATUS, f"it is {state}, and next_to_boot says something else")
    chosen = node.maybe_into("chosen_update")
    return Status(
        state=state,
        available=tuple(_matching(STATUS, _VERSION, one) for one in node.texts("available_updates")),
        chosen=_image(chosen) if chosen else None,
        active=active,
        staging=staging,
        next=staging_next,
        failure=_failure(node.maybe_into("most_recent_command")),
    )


def parse_os(text: str) -> Os:
    """Return what runs. Raises CannotParse."""
    node = Node.of(OS, loaded(OS, text)).into("os")
    image = Image(
        _matching(OS, _VERSION, node.get("version_id", str)),
        _matching(OS, _WORD, node.get("variant_id", str)),
        _matching(OS, _WORD, node.get("arch", str)),
    )
    return Os(image, node.maybe("pretty_name", str))


def parse_settings(text: str) -> Settings:
    """Return the update settings. What is not set is left out by the API. Raises CannotParse."""
    node = Node.of(SETTINGS, loaded(SETTINGS, text)).into("settings").into("updates")
    lock = node.get("version-lock", str)
    if lock != "latest":
        _matching(SETTINGS, _VERSION, lock.removeprefix("v"))
    return Settings(
        lock,
        node.maybe("metadata-base-url", str),
        node.maybe("targets-base-url", str),
        bool(node.maybe("ignore-waves", bool)),
    )


def parse_sets(text: str) -> Sets:
    """Return both partition sets. Raises CannotParse, also where the disk has only one."""
    found = re.fullmatch(
        rf"OS disk: \S+\n(?P<a>{_SET.pattern})\n(?P<b>{_SET.pattern})\n"
        r"Active: +Set (?P<active>[AB])\nNext: +(?:Set (?P<next>[AB])|None)\n?",
        text,
    )
    if not found:
        raise CannotParse(SETS, "unknown or cut off", text[-200:])
    flags = {}
    for line in (found["a"], found["b"]):
        name, priority, tries, successful = _SET.findall(line)[0]
        if int(priority) > 15 or int(tries) > 15:  # four bits each (signpost, gptprio.rs)
            raise CannotParse(SETS, "impossible", line)
        flags[name] = Flags(int(priority), int(tries), successful == "true")
    if len(flags) != 2:
        raise CannotParse(SETS, "one set is there twice", found["b"])
    active = found["active"]
    inactive = "B" if active == "A" else "A"
    return Sets(flags[active], flags[inactive], found["next"] == inactive)


def parse_known(text: str) -> tuple[Image, Image] | None:
    """Return our record, the images of both sets as they were written last: `VERSION VARIANT ARCH` a line.

    Raises CannotParse; None where nothing is recorded.
    """
    what = "the record of what was staged on the host"
    if not text:
        return None
    lines = [line.split(" ") for line in text.splitlines()]
    if len(lines) != 2 or any(len(line) != 3 for line in lines):
        raise CannotParse(what, "unknown form", text[:200])
    one, other = (
        Image(_matching(what, _VERSION, line[0]), _matching(what, _WORD, line[1]), _matching(what, _WORD, line[2]))
        for line in lines
    )
    return one, other


def _partition(node: Node, key: str) -> tuple[Image | None, bool]:
    partition = node.maybe_into(key)
    if partition is None:
        return None, False
    return _image(partition.into("image")), partition.get("next_to_boot", bool)


def _image(node: Node) -> Image:
    return Image(
        _matching(STATUS, _VERSION, node.get("version", str)),
        _matching(STATUS, _WORD, node.get("variant", str)),
        _matching(STATUS, _WORD, node.get("arch", str)),
    )


def _failure(command: Node | None) -> str | None:
    if command is None or command.get("cmd_status", str) != "Failed":
        return None
    said = (command.maybe("stderr", str) or "").strip() or "it says nothing"
    return f"{command.get('cmd_type', str)}: {said}"


def _matching(what: str, pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise CannotParse(what, "unknown form", value)
    return value
