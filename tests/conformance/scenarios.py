# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to the hosts of each family: tasks for a real play. What must come of them stands in the tests.

Each scenario has a host of its own, so that all of them run side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from family import OPTIONAL, Family

Task = dict[str, Any]

# Seconds; never waited for. A host boots in about one.
PLENTY: dict[str, Any] = {"confirm_within": 3600, "timeout": 4000}


def plenty(family: Family) -> dict[str, Any]:
    """How to boot, in time that is never over; where there is no place for a guard, without one."""
    return PLENTY if family.guarded else {"unguarded": "allow", **PLENTY}


def task(name: str, module: str, check: bool = False, **options: Any) -> Task:
    full = module if "." in module or module == "simhost" else f"flotilla.container_os.{module}"
    return {"name": name, full: options, **({"check_mode": True} if check else {})}


def look(name: str, **order: Any) -> Task:
    return task(name, "simhost", **order)


def life(family: Family) -> list[Task]:
    """An upgrade from the first look to the confirmation, each step once more, and back again."""
    lacks = [one for one in OPTIONAL if one in family.refusals]
    back = [
        task("roll back, checked", "deployment_rollback", check=True),
        task("roll back", "deployment_rollback", timeout=600),
        task("roll back again", "deployment_rollback", target=family.first["digest"]),
    ]
    return [
        look("before"),
        task("observe", "deployment_info"),
        look("observed"),
        *(task(f"refuse {one}", OPTIONAL[one], **ASKED[one]) for one in lacks),
        task("stage, checked", "deployment", check=True),
        look("checked"),
        task("stage", "deployment"),
        task("stage again", "deployment"),
        task("boot, refused", "deployment_boot", reboot="refuse"),
        task("boot, deferred", "deployment_boot", reboot="defer"),
        *([] if family.guarded else [task("boot, unguarded", "deployment_boot")]),
        task("boot, checked", "deployment_boot", check=True, **plenty(family)),
        look("not booted"),
        task("boot", "deployment_boot", digest=family.offer["digest"], **plenty(family)),
        look("booted"),
        task("boot again", "deployment_boot", digest=family.offer["digest"]),
        task("confirm, checked", "deployment_confirm", check=True),
        task("confirm another", "deployment_confirm", digest=family.first["digest"]),
        task("confirm", "deployment_confirm", digest=family.offer["digest"]),
        task("confirm again", "deployment_confirm"),
        task("stage what runs", "deployment"),
        *([] if "rollback" in family.refusals else back),
        task("what is left", "ansible.builtin.raw", _raw_params=LEFT),
        task("what no module may look at", "mac_info"),
        task("observe at the end", "deployment_info"),
    ]


# Everything that is ours on a host; nothing of it may be there when no guard is armed.
LEFT = (
    "ls -d /var/lib/flotilla/guard /var/lib/misc/flotilla/guard /etc/systemd/system/*flotilla* "
    "/etc/systemd/system/*/*flotilla* 2>/dev/null; :"
)


# What is asked of an OS that lacks it.
ASKED: dict[str, dict[str, Any]] = {
    "hold_updater": {"state": "held"},
    "kernel_arguments": {"present": ["flotilla.test=1"]},
    "rollback": {},
    "switch_channel": {"channel": "other"},
}


def unconfirmed(family: Family) -> list[Task]:
    """Nobody confirms: the guard goes back by itself, whatever we do."""
    if not family.guarded:
        return []
    return [
        task("stage", "deployment"),
        task("boot", "deployment_boot", **plenty(family)),
        look("on trial"),
        look("the deadline passes", elapse=family.guard_timer, boots=3),
        task("observe", "deployment_info"),
        task("confirm too late", "deployment_confirm", digest=family.offer["digest"]),
        task("what is left", "ansible.builtin.raw", _raw_params=LEFT),
    ]


def never_up(family: Family) -> list[Task]:
    """What is booted never comes up; where the boot loader counts, it goes back."""
    if family.never_up is None:
        return [task("stage", "deployment"), task("boot", "deployment_boot", **plenty(family))]
    return [
        task("follow", "update_channel", **family.never_up["channel"]),
        task("stage", "deployment"),
        task("boot", "deployment_boot", **family.never_up.get("boot", plenty(family))),
        look("tries"),
        task("observe", "deployment_info"),
    ]


def power(family: Family) -> list[Task]:
    """The power is cut: before the boot, and again on trial."""
    # Where a power cut boots what is staged, there is no boot of ours after it.
    digest = {"digest": family.offer["digest"]} if family.power_cut_boots else {}
    return [
        task("stage", "deployment"),
        look("cut", power="cut", boots=2),
        task("observe", "deployment_info"),
        task("stage again", "deployment"),
        task("boot", "deployment_boot", **digest, **plenty(family)),
        look("cut on trial", power="cut", boots=3 if family.power_cut_boots else 4),
        task("observe on trial", "deployment_info"),
        task("confirm", "deployment_confirm"),
    ]


def away(family: Family) -> list[Task]:
    """A host that is switched off is unreachable, and nothing else; a staged one keeps the work of a run cut off."""
    return [
        look("off", power="off"),
        task("observe what is off", "deployment_info"),
        task("stage what is off", "deployment"),
        look("on", power="on"),
        task("observe", "deployment_info"),
    ]


def beside(family: Family) -> list[Task]:
    """What stands beside the host is away, while the host itself answers; and comes back."""
    if not family.beside:
        return []
    return [
        task("stage", "deployment"),
        look("off", beside=True, power="off"),
        task("observe", "deployment_info"),
        task("boot", "deployment_boot", **PLENTY),
        look("on", beside=True, power="on"),
        task("observe again", "deployment_info"),
        task("boot again", "deployment_boot", **PLENTY),
        look("cut on trial", beside=True, power="cut", boots=3),
        task("observe on trial", "deployment_info"),
        look("the deadline passes", elapse=family.guard_timer),
        look("it is back", boots=3),
        task("observe at the end", "deployment_info"),
    ]


def channel(family: Family) -> list[Task]:
    """Follow another channel and come back."""
    if family.channel is None:
        return []
    return [
        task("observe", "deployment_info"),
        task("switch, checked", "update_channel", check=True, **family.channel["options"]),
        task("observe the same", "deployment_info"),
        task("switch", "update_channel", **family.channel["options"]),
        task("switch again", "update_channel", **family.channel["options"]),
        task("switch back", "update_channel", **family.channel["back"]),
        task("observe at the end", "deployment_info"),
    ]


def updater(family: Family) -> list[Task]:
    """Hold the OS's own updater, over a reboot, and hand it back."""
    if "hold_updater" in family.refusals:
        return []
    return [
        task("observe", "deployment_info"),
        task("hold, checked", "native_updater", check=True, state="held"),
        task("hold", "native_updater", state="held"),
        task("hold again", "native_updater", state="held"),
        look("held"),
        look("reset", power="cut", boots=2),
        task("observe while held", "deployment_info"),
        task("release", "native_updater", state="released"),
        task("release again", "native_updater", state="released"),
        task("observe at the end", "deployment_info"),
    ]


def arguments(family: Family) -> list[Task]:
    """A kernel argument, booted under the guard."""
    if family.kernel_argument is None:
        return []
    wish: dict[str, Any] = {"present": [family.kernel_argument], "reboot": "allow", **PLENTY}
    return [
        task("set, checked", "kernel_arguments", check=True, **wish),
        task("set", "kernel_arguments", **wish),
        task("set again", "kernel_arguments", **wish),
        task("observe", "deployment_info"),
    ]


def faults(family: Family) -> list[Task]:
    """Each fault of a tool, and afterwards the very same without it."""
    tasks = []
    for fault in family.faults:
        tasks += [
            look(f"order: {fault.name}", fault=list(fault.order)),
            task(fault.name, fault.module, **fault.options),
            look(f"clear: {fault.name}", clear=True),
            task(f"after: {fault.name}", "deployment_info"),
            *([task(f"undo: {fault.name}", "deployment", state="absent")] if fault.ok else []),
        ]
    return [*tasks, task("stage in the end", "deployment")]


SCENARIOS: dict[str, Callable[[Family], list[Task]]] = {
    one.__name__: one for one in (life, unconfirmed, never_up, power, away, beside, channel, updater, arguments, faults)
}


def tasks(family: Family, scenario: str) -> list[Task]:
    """Return what is done to the host of `family` in `scenario`, made ready before it where it asks for that."""
    ready = family.prepare is not None and scenario != updater.__name__
    first = [task("make ready", "native_updater", **(family.prepare or {}))] if ready else []
    return [*first, *SCENARIOS[scenario](family)]
