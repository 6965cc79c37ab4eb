# SPDX-License-Identifier: GPL-3.0-or-later
"""A family as the suite sees it: what its cases.yml says that is particular to it (docs/simhost.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

FAMILIES = Path(__file__).parents[1] / "simhost/families"
# What a family may lack: the capability, as `host_state.capabilities` has it, and the module that then refuses.
OPTIONAL = {
    "hold_updater": "native_updater",
    "kernel_arguments": "kernel_arguments",
    "rollback": "deployment_rollback",
    "switch_channel": "update_channel",
}


@dataclass(frozen=True)
class Fault:
    """An order to a stand-in, and what our module must make of it.

    `error`: words of its message, in this order. `options` of the module; `state`: what `host_state` is afterwards.
    `ok`: the module copes with it and succeeds.
    """

    name: str
    order: tuple[str, ...]
    module: str
    error: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    ok: bool = False


@dataclass(frozen=True)
class Family:
    """`systems`: the OSes, in words. `on_machines`: the verbs that are proven on real machines, too.

    `first`, `offer`: {version, digest} of what runs, and of what the channel offers. `state`: more of `host_state`.

    `channel`: options of update_channel that change it, and the `host_state.channel` that comes of them.
    `never_up`: the options that lead to a version which panics, and its digest; None where no boot loader counts boots.
    `refusals`: for each capability that is lacking, words of the refusal; `guard` where the OS has no place for ours.
    `never_up` may say what is particular: `boot` (options), `cause`, `words` of the evidence, `boots` until it is back.
    `power_cut_boots`: what is staged is the next boot, also after a power cut.
    `boot_tries`: how many boots the boot loader grants, where that is not for us to say.
    `variables`: of its hosts in the inventory. `guard_timer`: the unit whose time is the guard's deadline.
    `prepare`: options of native_updater for an OS whose own updater, as long as it may act, lets nobody else update.
    They are set in every scenario but the updater's own.
    """

    name: str
    driver: str
    systems: str
    first: Mapping[str, str]
    offer: Mapping[str, str]
    state: Mapping[str, Any]
    faults: tuple[Fault, ...]
    channel: Mapping[str, Any] | None = None
    never_up: Mapping[str, Any] | None = None
    kernel_argument: str | None = None
    power_cut_unstages: bool = False
    power_cut_boots: bool = False
    refusals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_machines: tuple[str, ...] = ()
    prepare: Mapping[str, Any] | None = None
    boot_tries: int = 2
    variables: Mapping[str, Any] = field(default_factory=dict)
    guard_timer: str = "flotilla-guard-expire.timer"

    @property
    def has_shell(self) -> bool:
        """Whether anything but our modules can run there."""
        return "ansible_connection" not in self.variables

    @property
    def guarded(self) -> bool:
        return "guard" not in self.refusals

    @property
    def beside(self) -> bool:
        """Whether another machine stands beside each of its hosts."""
        return (FAMILIES / self.name / "beside").exists()


def load(name: str) -> Family:
    """Return the family of a folder. Raises TypeError for a word that is not known, or one that is missing."""
    said = yaml.safe_load((FAMILIES / name / "cases.yml").read_text())
    faults = tuple(
        Fault(**{**fault, "order": tuple(fault["order"]), "error": tuple(fault.get("error", ()))})
        for fault in said.pop("faults")
    )
    unknown = set(said) - {one.name for one in fields(Family)}
    if unknown:
        raise TypeError(f"{name}/cases.yml: {', '.join(sorted(unknown))}")
    return Family(name=name, faults=faults, **said)


def names() -> list[str]:
    return sorted(path.parent.name for path in FAMILIES.glob("*/cases.yml"))
