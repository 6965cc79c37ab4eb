# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials since a point in time: where a host keeps them, and how they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from .._model.host import Results, Step
from .._parsers.mac_denials import Denial, Record, entries_of_journal, lines_of, parse_denials, since_time, suppressed

# The newest lines of each source that are looked at. A host that complains more than that is not read to the end: it
# would cost seconds and megabytes, and `complete` says so.
MAX_LINES = 2000
# What is worth sending from the host; notices that a profile was loaded are not.
_WANTED = "apparmor=|avc: |callbacks suppressed|audit_lost=|limit exceeded"
_UNWANTED = 'apparmor=.?"STATUS'
_FILTER = f"grep -aE '{_WANTED}' | grep -avE '{_UNWANTED}' | tail -n {MAX_LINES}"

BOOT_TIME = "denials.boot_time"
JOURNAL = "denials.journal"
AUDIT_LOG = "denials.audit_log"
KERNEL_LOG = "denials.kernel_log"
# Exit code of a source that this host does not have.
NOT_HERE = 3


@dataclass(frozen=True)
class Denials:
    """What was refused since the point asked for. `denials` is None where no log can be read: unknown, not none.

    `sources`: the logs that were read. `complete`: nothing was dropped by the kernel or left out here.
    """

    denials: tuple[Denial, ...] | None
    sources: tuple[str, ...]
    complete: bool


def probes(since: int | None, root: str = "") -> tuple[Step, ...]:
    """Return the steps that bring the denials since `since` (epoch seconds by the host's clock), or this boot's.

    auditd keeps the records for itself; without it they are in the kernel's log, and so in the journal.
    """
    window = "-b" if since is None else f"--since=@{since}"
    fields = "MESSAGE,_TRANSPORT,_AUDIT_ID,_SOURCE_REALTIME_TIMESTAMP"
    log = f"{root}/var/log/audit/audit.log"
    return (
        Step(BOOT_TIME, f"grep '^btime ' {root}/proc/stat"),
        Step(
            JOURNAL,
            f"command -v journalctl >/dev/null || exit {NOT_HERE}; "
            f"journalctl -q --no-pager {window} -o json --output-fields={fields} _TRANSPORT=kernel + _TRANSPORT=audit "
            f"| {_FILTER}",
        ),
        Step(AUDIT_LOG, f"[ -r {log} ] || exit {NOT_HERE}; cat {log}.1 {log} 2>/dev/null | {_FILTER}"),
        Step(
            KERNEL_LOG,
            f"! command -v journalctl >/dev/null || exit {NOT_HERE}; command -v dmesg >/dev/null || exit {NOT_HERE}; "
            f"dmesg | {_FILTER}",
        ),
    )


def read(results: Results, since: int | None) -> Denials:
    """Read the results of `probes`."""
    by_source: dict[str, list[Record]] = {}
    if results[JOURNAL].ok:
        by_source["journal"] = entries_of_journal(results[JOURNAL].stdout)
    if results[KERNEL_LOG].ok:
        by_source["kernel_log"] = lines_of(results[KERNEL_LOG].stdout)
    if results[AUDIT_LOG].ok:
        by_source["audit_log"] = lines_of(results[AUDIT_LOG].stdout)
    if not by_source:
        return Denials(None, (), complete=False)
    cut = any(len(records) >= MAX_LINES for records in by_source.values())
    if since is None and "audit_log" in by_source:  # the other two were asked for this boot only
        by_source["audit_log"] = since_time(by_source["audit_log"], _boot_time(results))
    records = since_time((record for records in by_source.values() for record in records), since)
    return Denials(parse_denials(records), tuple(by_source), complete=not cut and not suppressed(records))


def _boot_time(results: Results) -> float | None:
    """Return when the host booted, in epoch seconds, rounded down: the kernel rounds it, too."""
    words = results[BOOT_TIME].text.split()
    return float(words[1]) - 1 if len(words) == 2 and words[1].isdigit() else None
