# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux: what shows its state, and a pure plan to another mode.

Everything goes through selinuxfs and /etc/selinux/config: none of setenforce, getenforce, sestatus has to be there, and
none of their words has to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._errors import Refused
from .._model.host import Results, Step
from .._model.shell import first_line, write_file
from .._model.state import Mac, MacMode, MacSystem
from .._parsers.key_value import parse_key_values
from .._parsers.selinux import config_mode, parse_enforce, with_mode
from .plan import ModePlan

SELINUXFS = "/sys/fs/selinux"
CONFIG_FILE = "/etc/selinux/config"
LSM = "mac.lsm"
STATE = "mac.selinux"
CONFIG = "mac.selinux_config"
BOOLEANS = "mac.selinux_booleans"


def probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show whether SELinux runs, and how. `root`: what stands for / in tests.

    The kernel fills `class` when a policy is loaded; before that `enforce` says nothing.
    """
    fs, lsm = root + SELINUXFS, f"{root}/sys/kernel/security/lsm"
    return (
        Step(LSM, first_line(lsm)),
        Step(
            STATE,
            f"if [ -e {fs}/enforce ]; then printf enforce=; {first_line(f'{fs}/enforce')}; "
            f"else case $({first_line(lsm)}) in *selinux*) "
            f"echo \"context=$(tr -d '\\000' <{root}/proc/self/attr/current)\";; esac; fi; "
            f'for c in {fs}/class/*; do if [ -e "$c" ]; then echo policy=loaded; fi; break; done',
        ),
    )


def detail_probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show what the next boot will do, and how many booleans the policy has."""
    return (
        Step(CONFIG, f"cat {root}{CONFIG_FILE} 2>/dev/null || :"),
        Step(BOOLEANS, f'n=0; for b in {root}{SELINUXFS}/booleans/*; do [ ! -e "$b" ] || n=$((n+1)); done; echo $n'),
    )


def read_mac(results: Results) -> Mac | None:
    """Return the state where SELinux is on; None where it is off or not in the kernel.

    On, but without a policy (SELINUX=disabled), it confines nothing: DISABLED. The mode is None (unknown) when a policy
    is loaded and `enforce` cannot be read.
    """
    words = parse_key_values(results[STATE].stdout)
    if "enforce" not in words:
        if "selinux" not in results[LSM].text.split(","):
            return None
        # Init unmounts selinuxfs where there is no policy. Where there is one, every process has a context.
        return Mac(MacSystem.SELINUX, None if ":" in words.get("context", "") else MacMode.DISABLED)
    if words.get("policy") != "loaded":
        return Mac(MacSystem.SELINUX, MacMode.DISABLED)
    enforcing = parse_enforce(words)
    if enforcing is None:
        return Mac(MacSystem.SELINUX, None)
    return Mac(MacSystem.SELINUX, MacMode.ENFORCING if enforcing else MacMode.PERMISSIVE)


@dataclass(frozen=True)
class SELinuxView:
    """What the mode is made of: the running one, the text of /etc/selinux/config, the kernel's arguments."""

    mac: Mac
    config: str
    kernel_arguments: tuple[str, ...]


def shown(view: SELinuxView) -> dict[str, object]:
    """Return what of `view` shows in diff mode."""
    return {"mode": view.mac.mode, "configured": config_mode(view.config)}


def plan(view: SELinuxView, mode: MacMode, root: str = "") -> ModePlan:
    """Return the way from `view` to `mode`, running and at the next boot. Raises Refused when there is none."""
    if view.mac.mode is None:
        raise Refused(f"cannot tell the mode of SELinux: {SELINUXFS}/enforce cannot be read")
    _refuse_overruled(view.kernel_arguments, mode)
    steps = []
    if config_mode(view.config) != mode.value:
        steps.append(Step("config", write_file(root + CONFIG_FILE, with_mode(view.config, mode.value)), required=True))
    # A policy is loaded, or not, at boot; between enforcing and permissive the kernel switches at once.
    switches = mode is not view.mac.mode
    reboot = switches and MacMode.DISABLED in (mode, view.mac.mode)
    if switches and not reboot:
        value = int(mode is MacMode.ENFORCING)
        steps.insert(0, Step("enforce", f"printf {value} >{root}{SELINUXFS}/enforce", required=True))
    return ModePlan(tuple(steps), {"mode": mode, "configured": mode}, reboot=reboot)


def _refuse_overruled(arguments: Sequence[str], mode: MacMode) -> None:
    """The kernel's arguments win over the file, at every boot: a mode against them would not last."""
    said = next((argument for argument in reversed(arguments) if argument.startswith("enforcing=")), None)
    against = {MacMode.ENFORCING: "enforcing=0", MacMode.PERMISSIVE: "enforcing=1"}.get(mode)
    if said is not None and said == against:
        raise Refused(
            f"cannot make SELinux {mode.value}: the kernel argument {said} undoes it at the next boot; "
            "remove it with kernel_arguments"
        )
