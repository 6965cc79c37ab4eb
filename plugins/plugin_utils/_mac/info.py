# SPDX-License-Identifier: GPL-3.0-or-later
"""Read mandatory access control of a host, and what it denied, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import Refused
from .._model.host import Host, Results, Step
from .._model.native import native
from .._model.state import MacMode, MacSystem
from .._parsers.selinux import config_mode, config_type
from . import apparmor, denials, selinux
from .registry import mac_state

ARGUMENTS = "mac.kernel_arguments"
# Kernel arguments that decide which system runs, and how.
_DECIDING = ("lsm", "security", "apparmor", "selinux", "enforcing")


@dataclass(frozen=True)
class MacDetails:
    """Mandatory access control in detail. `mode` is None where it cannot be seen.

    AppArmor: `profiles` {name: mode}, None where they cannot be read. SELinux: `policy` and `configured` from
    /etc/selinux/config, `booleans` how many the loaded policy has. None where they are not of the system that runs.
    """

    system: MacSystem
    mode: MacMode | None
    profiles: dict[str, str] | None
    policy: str | None
    configured: str | None
    booleans: int | None
    kernel_arguments: tuple[str, ...]


def probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show the details. `root`: what stands for / in tests."""
    return (
        *selinux.probes(root),
        *selinux.detail_probes(root),
        *apparmor.probes(root),
        Step(ARGUMENTS, f"cat {root}/proc/cmdline"),
    )


def details(results: Results) -> MacDetails:
    """Read the results of `probes`. Raises CannotParse."""
    mac = mac_state(results)
    on_selinux, on_apparmor = mac.system is MacSystem.SELINUX, mac.system is MacSystem.APPARMOR
    config = results[selinux.CONFIG].stdout
    counted = results[selinux.BOOLEANS].text
    return MacDetails(
        system=mac.system,
        mode=mac.mode,
        profiles=apparmor.read_profiles(results) if on_apparmor else None,
        policy=config_type(config) if on_selinux else None,
        configured=config_mode(config) if on_selinux else None,
        booleans=int(counted) if on_selinux and counted.isdigit() else None,
        kernel_arguments=tuple(
            argument for argument in kernel_arguments(results) if argument.partition("=")[0] in _DECIDING
        ),
    )


def kernel_arguments(results: Results) -> tuple[str, ...]:
    return tuple(results[ARGUMENTS].text.split())


def since_option(value: str) -> int | None:
    """Return the point from which denials are asked for: epoch seconds, or None for `boot`. Raises Refused."""
    if value == "boot":
        return None
    if not value.isdigit():
        raise Refused(f"cannot read denials since {value!r}: give boot, or seconds since the epoch")
    return int(value)


def mac_info(host: Host, since: int | None, root: str = "") -> dict[str, object]:
    """Return what the module returns. Raises CannotParse.

    `since`: epoch seconds by the host's clock; None: its boot.
    """
    results = host.run([*probes(root), *denials.probes(since, root)])
    refused = denials.read(results, since)
    mac: dict[str, object] = {
        **native(details(results)),
        "denials": native(refused.denials),
        "denial_sources": refused.sources,
        "denials_complete": refused.complete,
    }
    return {"changed": False, "mac": mac}
