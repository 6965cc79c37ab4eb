# SPDX-License-Identifier: GPL-3.0-or-later
"""What update_engine says of itself, its settings, and the records of ours beside them.

Sources: flatcar/update_engine src/update_engine/update_engine_client.cc, update_attempter.cc, omaha_request_params.cc,
simple_key_value_store.cc; com.coreos.update1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse
from .files import split_files

# UpdateStatusToString in update_attempter.cc.
IDLE = "UPDATE_STATUS_IDLE"
NEED_REBOOT = "UPDATE_STATUS_UPDATED_NEED_REBOOT"
OPERATIONS = frozenset(
    {
        IDLE,
        "UPDATE_STATUS_CHECKING_FOR_UPDATE",
        "UPDATE_STATUS_UPDATE_AVAILABLE",
        "UPDATE_STATUS_DOWNLOADING",
        "UPDATE_STATUS_VERIFYING",
        "UPDATE_STATUS_FINALIZING",
        NEED_REBOOT,
        "UPDATE_STATUS_REPORTING_ERROR_EVENT",
    }
)
# What the client prints, with exit code 0, when it got no answer.
_NOTHING = "(null)"
# What the engine says instead of a version when it has none on its way; the second one up to 2017.
_NO_VERSION = frozenset({_NOTHING, "0.0.0", "0.0.0.0", ""})

_BLOCK = re.compile(
    r"LAST_CHECKED_TIME=(-?[0-9]+)\nPROGRESS=([0-9]+\.[0-9]+)\nCURRENT_OP=([^\n]*)\nNEW_VERSION=([^\n]*)\n"
    r"NEW_SIZE=(-?[0-9]+)\n"
)
_REPLY = re.compile(r'xdssx (-?[0-9]+) ([0-9.e+-]+) "([^"\n]*)" "([^"\n]*)" (-?[0-9]+)\n')


@dataclass(frozen=True)
class Status:
    """What the engine does. `operation` is None when it gave no answer; `version` is what it works on, if anything.

    `last_checked`: epoch seconds of the last usable answer of the server, 0 for never; `progress`: 0 to 1, of the
    download alone; `size` in bytes.
    """

    last_checked: int
    progress: float
    operation: str | None
    version: str | None
    size: int

    @property
    def busy(self) -> str | None:
        """What it is in the middle of, in words, or None."""
        if self.operation in (IDLE, NEED_REBOOT):
            return None
        if self.operation is None:
            return "update_engine gives no answer"
        doing = self.operation.removeprefix("UPDATE_STATUS_").replace("_", " ").lower()
        version = f" {self.version}" if self.version else ""
        percent = f" ({self.progress:.0%})" if self.operation.endswith("_DOWNLOADING") else ""
        return f"update_engine: {doing}{version}{percent}"


def parse_status(text: str) -> Status:
    """Return the last status in what `update_engine_client -status` or `-update` prints, or in D-Bus's GetStatus.

    Raises CannotParse, also for a block that is cut off.
    """
    what = "the status of update_engine"
    if not re.fullmatch(f"(?:{_BLOCK.pattern})+|{_REPLY.pattern}", text):
        raise CannotParse(what, "unknown or cut off", text[-200:])
    *_earlier, (checked, progress, operation, version, size) = (_BLOCK if text[0] == "L" else _REPLY).findall(text)
    if operation not in (*OPERATIONS, _NOTHING):
        raise CannotParse(what, "unknown operation", operation)
    try:
        done = float(progress)
    except ValueError as exc:
        raise CannotParse(what, "no number", progress) from exc
    if not 0 <= done <= 1:
        raise CannotParse(what, "progress beyond 0 and 1", progress)
    return Status(
        int(checked),
        done,
        None if operation == _NOTHING else operation,
        None if version in _NO_VERSION else version,
        int(size),
    )


def parse_settings(text: str) -> dict[str, str]:
    """Return the settings that count, from the printed files in the order in which the engine asks them.

    Per key the first file that has it wins, in a file the last line. A line is split at its first `=` and not trimmed;
    quotes around a value are not part of it.
    """
    settings: dict[str, str] = {}
    for _path, content in split_files(text):
        pairs = (line.split("=", 1) for line in content.splitlines() if "=" in line)
        settings = {**{key: _unquoted(value) for key, value in pairs}, **settings}
    return settings


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


@dataclass(frozen=True)
class Known:
    """A /usr that we staged ourselves, or that ran when we did. `digest`: SHA-256 of the payload, where it is known."""

    digest: str
    version: str | None


def parse_known(text: str) -> dict[str, Known]:
    """Return our records by the root hash of /usr: lines of `ROOT-HASH DIGEST VERSION`. Raises CannotParse."""
    known = {}
    for line in text.splitlines():
        found = re.fullmatch(r"([0-9a-f]{64}) ([0-9a-f]{64}) (\S+)", line)
        if not found:
            raise CannotParse("the record of what was staged on the host", "unknown form", line)
        known[found[1]] = Known(found[2], None if found[3] == "-" else found[3])
    return known


def parse_root_hash(text: str) -> str | None:
    """Return the root hash of /usr that stands in a kernel command line, None where there is none.

    GRUB appends it, read out of the kernel, so the last one counts (coreos/grub include/grub/verity-hash.h).
    """
    found = re.findall(r"(?:^|\s)verity\.usrhash=([0-9a-f]{64})(?=\s|$)", text)
    return found[-1] if found else None
