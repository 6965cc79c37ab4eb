# SPDX-License-Identifier: GPL-3.0-or-later
"""`mac_denials`: AppArmor and SELinux denied nothing, since the boot or since the baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..._model.host import Result
from ..._model.shell import quote
from ..._parsers.health_denials import LINES, LOG_MARK, TIME_MARK, Denial, parse_denials
from ..option import one_of, option, whole
from ..probe_type import PROBE_TIMEOUT, Data, Faults, ProbeType, Unknown, limited

# How many kinds of denials are returned and named.
_KINDS = 100
# The lines of interest; which of them are denials is the parser's matter.
_PATTERN = 'apparmor="(DENIED|KILLED|ALLOWED)"|avc:  denied'


@dataclass(frozen=True, kw_only=True)
class MacDenials(ProbeType):
    """Data: {at, count, permitted, kinds: [{system, subject, operation, object, count}…], kinds_left_out, log_cut}.

    `at` is the host's time in epoch seconds. `permitted` counts what was only logged: a complaining profile, a
    permissive domain.
    """

    TYPE: ClassVar[str] = "mac_denials"

    since: str = option(
        one_of("boot", "baseline"), "V(baseline) passes over what is older than the baseline.", default="boot"
    )
    max: int = option(whole(0, 1_000_000), "How many denials are all right.", default=0)
    # Not an option: set from the baseline.
    after: float | None = None

    def since_baseline(self, baseline: Data) -> ProbeType:
        return replace(self, after=float(baseline["at"])) if self.since == "baseline" and "at" in baseline else self

    @property
    def patience(self) -> float:
        return 2 * PROBE_TIMEOUT

    def script(self) -> str:
        journal = limited(PROBE_TIMEOUT, "journalctl", "--dmesg", "--boot", "--quiet", "--no-pager", "--output=cat")
        audit = "cat /var/log/audit/audit.log.1 /var/log/audit/audit.log 2>/dev/null"
        mark = f"printf '\\n%s %s %s\\n' {quote(LOG_MARK)}"
        # With auditd the kernel's log has no denials; without it audit.log has none. The kernel's own buffer is short,
        # the journal may be off. So all are read, and each event is counted once.
        pick = f"grep -a -E -e {quote(f'{_PATTERN}|^{LOG_MARK}')} | tail -n {LINES + 1}"
        return (
            f'echo "{TIME_MARK} $(date +%s) $(sed -n "s/^btime //p" /proc/stat)"\n'
            "if command -v journalctl >/dev/null 2>&1; then\n"
            f'{{ {journal}; {mark} journal "$?"; }} | {pick}\nfi\n'
            "if command -v dmesg >/dev/null 2>&1; then\n"
            f'{{ {limited(PROBE_TIMEOUT, "dmesg")}; {mark} dmesg "$?"; }} | {pick}\nfi\n'
            "if [ -r /var/log/audit/audit.log ]; then\n"
            f"{{ {audit}; {mark} audit 0; }} | {pick}\nfi"
        )

    def read(self, result: Result) -> Data:
        log = parse_denials(result.stdout)
        if not log.sources:
            raise Unknown(
                "the host's log cannot be read, neither by journalctl nor by dmesg, and there is no audit.log"
            )
        events = [event for event in log.events if self.after is None or event.time > self.after]
        kinds: dict[Denial, int] = {}
        for event in events:
            if not event.permitted:
                kinds[event.kind] = kinds.get(event.kind, 0) + 1
        shown = sorted(kinds, key=lambda kind: (-kinds[kind], kind))[:_KINDS]
        return {
            "at": log.at,
            "count": sum(kinds.values()),
            "permitted": sum(event.permitted for event in events),
            "kinds": [
                {
                    "system": kind.system,
                    "subject": kind.subject,
                    "operation": kind.operation,
                    "object": kind.object,
                    "count": kinds[kind],
                }
                for kind in shown
            ],
            "kinds_left_out": len(kinds) - len(shown),
            "log_cut": log.cut,
        }

    def expects(self, data: Data) -> Faults:
        cut = {"log": f"the log has more than {LINES} lines of denials, the older ones are not read"}
        if data["count"] <= self.max:
            return cut if data["log_cut"] else {}
        faults = {
            f"denial:{kind['system']} {kind['subject']} {kind['operation']} {kind['object']}": (
                f"{kind['system']} denied {kind['subject']} {kind['operation']} of {kind['object']}"
                + ("" if kind["count"] == 1 else f" ({kind['count']} times)")
            )
            for kind in data["kinds"]
        }
        if data["kinds_left_out"]:
            faults["denial"] = f"{data['kinds_left_out']} more kinds of denials"
        return {**faults, **cut} if data["log_cut"] else faults

    def value(self, data: Data) -> object:
        return data["count"]
