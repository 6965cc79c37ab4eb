# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd units of an OS's own update agent: what they are, and whether any of them may act.

Source: systemctl(1) (`show`, `is-enabled`), org.freedesktop.systemd1(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._errors import CannotParse
from .._model.host import Result, Step
from .._model.shell import quote
from .._model.state import NativeUpdater, UpdaterState
from .key_value import parse_key_values

# Printed between the units and our record of what they were before they were held.
_RECORD_MARK = "@@flotilla-record"
# Exit code of the probe on a host that does not run systemd.
NO_SYSTEMD = 4
# Unit files in here are the administrator's own. `systemctl mask` would put its link in their place, and refuses.
ADMIN_UNITS = "/etc/systemd/system/"

_PROPERTIES = (
    "Id,Names,Type,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,WantedBy,RequiredBy,UpheldBy,TriggeredBy"
)
# What `systemctl is-enabled` says of a unit that the next boot, or something that is enabled, starts.
_STARTS_ITSELF = ("enabled", "enabled-runtime", "alias", "generated", "transient")


@dataclass(frozen=True)
class Unit:
    """A unit in the words of `systemctl show`.

    `load`: loaded, masked, …; `active`: active, activating, …; `file`: enabled, static, masked, …; `sub`: the state in
    the words of its type; `kind`: the type of a service (oneshot, notify, …). `pulled_by`: the units that start it.
    """

    name: str
    load: str
    active: str
    file: str
    sub: str = ""
    kind: str = ""
    path: str = ""
    pulled_by: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        return self.active in ("active", "activating", "reloading", "deactivating", "refreshing")

    @property
    def masked(self) -> bool:
        """Masked for good: a mask in /run is gone after the next boot."""
        return self.load == "masked" and self.file != "masked-runtime"

    @property
    def maskable(self) -> bool:
        return self.load == "masked" or not self.path.startswith(ADMIN_UNITS)

    @property
    def updating(self) -> bool:
        """A oneshot service is activating while its program runs; here the program is an update."""
        return self.kind == "oneshot" and self.active == "activating" and self.sub != "auto-restart"

    @property
    def may_act(self) -> bool:
        """It runs, or will at the next boot, or something outside of the agent starts it."""
        if self.running or self.file == "masked-runtime":
            return True
        return self.load != "masked" and (self.file in _STARTS_ITSELF or bool(self.pulled_by))

    @property
    def held(self) -> bool:
        return not self.running and (self.masked or (not self.maskable and not self.may_act))


@dataclass(frozen=True)
class Units:
    """The units that exist, in the order in which they were asked for, and the record of what they were.

    `record`: {unit: (file, active)}; None: not held by us.
    """

    units: tuple[Unit, ...]
    record: dict[str, tuple[str, str]] | None

    @property
    def state(self) -> NativeUpdater:
        """The agent as a whole. Half held is not held: then it may act."""
        if not self.units:
            return NativeUpdater(None, UpdaterState.ABSENT)
        name = self.units[0].name.rpartition(".")[0]
        if self.record is not None:
            held = all(unit.held for unit in self.units)
            return NativeUpdater(name, UpdaterState.HELD if held else UpdaterState.ACTIVE)
        active = any(unit.may_act for unit in self.units)
        return NativeUpdater(name, UpdaterState.ACTIVE if active else UpdaterState.DISABLED)


def unit_probe(name: str, units: Sequence[str], record: str) -> Step:
    """A step that shows `units`, the units that the record at path `record` names, and the record."""
    shown = " ".join(quote(unit) for unit in units)
    path = quote(record)
    return Step(
        name,
        f"[ -d /run/systemd/system ] && command -v systemctl >/dev/null || exit {NO_SYSTEMD}; kept=; "
        f"[ ! -f {path} ] || kept=$(sed -n 's/=.*//p' {path}); set -- {shown} $kept; "
        f'[ $# = 0 ] || systemctl show --property={_PROPERTIES} -- "$@" || exit 1; '
        f"[ ! -f {path} ] || {{ printf '\\n{_RECORD_MARK}\\n'; cat {path}; }}",
    )


def record_lines(units: Sequence[Unit]) -> dict[str, str]:
    """Return the line of our record for each unit: `unit=file active`.

    A oneshot service is never recorded as active: to start it again would be to run an update.
    """
    return {
        unit.name: f"{unit.name}={unit.file or 'unknown'} "
        f"{'active' if unit.running and unit.kind != 'oneshot' else 'inactive'}"
        for unit in units
    }


def parse_units(result: Result, wanted: Sequence[str]) -> Units:
    """Return those of the `wanted` units, and of the recorded ones, that exist on the host.

    Raises ToolFailed (systemd gives no answer), CannotParse.
    """
    if result.rc == NO_SYSTEMD:
        return Units((), None)
    text = result.proven("read the units of the native updater").stdout
    shown, mark, kept = f"\n{text}".partition(f"\n{_RECORD_MARK}\n")
    record = _record(kept) if mark else None
    asked = [*wanted, *(name for name in record or {} if name not in wanted)]
    blocks = [_block(block) for block in shown.split("\n\n") if block.strip()]
    found: dict[str, Unit] = {}
    for name in asked:
        block = next((block for block in blocks if name in block["Names"].split() or name == block["Id"]), None)
        if block is not None and block["LoadState"] != "not-found":
            found.setdefault(block["Id"], _unit(block, asked))
    return Units(tuple(found.values()), record)


def read_units(result: Result, wanted: Sequence[str]) -> NativeUpdater:
    """Return the state of the agent that consists of the `wanted` units. Raises ToolFailed, CannotParse."""
    return parse_units(result, wanted).state


def _block(text: str) -> dict[str, str]:
    words = parse_key_values(text)
    missing = [key for key in ("Id", "LoadState", "ActiveState") if not words.get(key)]
    if missing:
        raise CannotParse("the output of `systemctl show`", f"no {missing[0]}", text.strip().split("\n", 1)[0])
    return {key: words.get(key, "") for key in _PROPERTIES.split(",")}


def _unit(words: dict[str, str], agent: Sequence[str]) -> Unit:
    # A timer of the agent that would start its service is looked at by itself.
    pulling = [name for key in ("WantedBy", "RequiredBy", "UpheldBy", "TriggeredBy") for name in words[key].split()]
    return Unit(
        name=words["Id"],
        load=words["LoadState"],
        active=words["ActiveState"],
        file=words["UnitFileState"],
        sub=words["SubState"],
        kind=words["Type"],
        path=words["FragmentPath"],
        pulled_by=tuple(name for name in dict.fromkeys(pulling) if name not in agent),
    )


def _record(text: str) -> dict[str, tuple[str, str]]:
    record = {}
    for name, value in parse_key_values(text).items():
        file, _space, active = value.partition(" ")
        if active not in ("active", "inactive"):
            raise CannotParse("the record of the native updater", "unknown form", f"{name}={value}")
        record[name] = (file, active)
    return record
