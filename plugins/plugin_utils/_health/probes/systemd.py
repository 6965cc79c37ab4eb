# SPDX-License-Identifier: GPL-3.0-or-later
"""`systemd`: the units that are named are active; without names, the system is up and no unit has failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..._model.shell import quote
from ..._parsers.health_systemd import FAILED_MARK, SYSTEM_MARK, parse_systemd
from ..option import matching, option, several
from ..probe_type import PROBE_TIMEOUT, Data, Faults, ProbeType, answered, limited, need

# systemd.unit(5): a type is part of the name; systemctl adds .service where there is none.
_UNIT = matching(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*", "the name of a unit")
_TYPES = (
    *(".service", ".socket", ".target", ".timer", ".mount", ".automount"),
    *(".path", ".slice", ".scope", ".swap", ".device"),
)
# States in which the boot is over. "degraded" only says that a unit has failed, and those are looked at one by one.
_UP = frozenset({"running", "degraded"})
_ACTIVE = frozenset({"active", "reloading", "refreshing"})


def _full(name: str) -> str:
    return name if name.endswith(_TYPES) else f"{name}.service"


@dataclass(frozen=True, kw_only=True)
class Systemd(ProbeType):
    """Data: {units: {NAME: {load, active, sub, result, restarts}}, failed: [NAME…], system: TEXT}."""

    TYPE: ClassVar[str] = "systemd"

    units: tuple[str, ...] = option(
        several(lambda value: _full(_UNIT(value))),
        "Units that must be active. Without it: the boot is finished and no unit has failed.",
        default=(),
    )

    def script(self) -> str:
        properties = "--property=Id,LoadState,ActiveState,SubState,Result,NRestarts"
        show = limited(PROBE_TIMEOUT, "systemctl", "show", "--no-pager", properties, "--", *self.units)
        failed = limited(PROBE_TIMEOUT, "systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full")
        return (
            f"{need('systemctl')}\n"
            f"{f'{show} || exit' if self.units else ':'}\n"
            f"printf '%s\\n' {quote(FAILED_MARK)}; {failed} || exit\n"
            # exits with an error in every state but "running"
            f"printf '%s\\n' {quote(SYSTEM_MARK)}; {limited(PROBE_TIMEOUT, 'systemctl', 'is-system-running')} || :"
        )

    @property
    def patience(self) -> float:
        return 3 * PROBE_TIMEOUT

    def read(self, result: Result) -> Data:
        return parse_systemd(answered(result, "systemctl", PROBE_TIMEOUT).stdout, self.units)

    def expects(self, data: Data) -> Faults:
        if self.units:
            return {
                f"unit:{name}": _trouble(name, unit)
                for name, unit in data["units"].items()
                if unit["active"] not in _ACTIVE
            }
        faults = {f"unit:{name}": f"{name} has failed" for name in data["failed"]}
        if data["system"] not in _UP:
            faults["system"] = f"the system is {data['system'] or 'in an unknown state'}, expected running"
        return faults

    def value(self, data: Data) -> object:
        return {name: unit["active"] for name, unit in data["units"].items()} if self.units else data["failed"]

    def restarted(self, before: Data, now: Data) -> Faults:
        return {
            f"unit:{name}": f"{name} was restarted by systemd between two looks"
            for name, unit in now["units"].items()
            if (unit["restarts"] or 0) > (before["units"].get(name, {}).get("restarts") or 0)
        }


def _trouble(name: str, unit: Data) -> str:
    if unit["load"] == "not-found":
        return f"{name} does not exist"
    if unit["load"] not in ("loaded", "stub"):
        return f"{name} is {unit['load']}, expected active"
    why = "" if unit["result"] in (None, "success") else f", result {unit['result']}"
    return f"{name} is {unit['active']} ({unit['sub']}{why}), expected active"
