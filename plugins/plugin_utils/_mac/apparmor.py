# SPDX-License-Identifier: GPL-3.0-or-later
"""AppArmor: what shows its state."""

from __future__ import annotations

from .._model.host import Results, Step
from .._model.state import Mac, MacMode, MacSystem
from .._parsers.apparmor import COMPLAIN, ENFORCES, UNCONFINED, parse_profiles

# Where the kernel shows its policy; the file `revision` beside `profiles` blocks its reader and is never read.
SECURITYFS = "/sys/kernel/security/apparmor"
ENABLED = "mac.apparmor"
PROFILES = "mac.apparmor_profiles"


def probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show whether AppArmor runs and which profiles are loaded.

    `root`: the directory that stands for / in tests. Only root may read the profiles, whatever the file's mode says.
    """
    return (
        Step(ENABLED, f"cat {root}/sys/module/apparmor/parameters/enabled 2>/dev/null || :"),
        Step(PROFILES, f"cat {root}{SECURITYFS}/profiles"),
    )


def read_mac(results: Results) -> Mac | None:
    """Return the state where AppArmor is on; None where it is off or not in the kernel. Raises CannotParse.

    The mode is None (unknown) when the profiles cannot be read, or one is in a mode that is not known here.
    """
    if results[ENABLED].text != "Y":
        return None
    if not results[PROFILES].ok:
        return Mac(MacSystem.APPARMOR, None)
    return Mac(MacSystem.APPARMOR, overall(parse_profiles(results[PROFILES].stdout)))


def overall(profiles: dict[str, str]) -> MacMode | None:
    """Return the mode of AppArmor as a whole.

    Profiles in the mode `unconfined` only name programs and count for nothing. Where no profile enforces or complains,
    nothing is confined: that is DISABLED, whatever the kernel could do.
    """
    modes = set(profiles.values()) - {UNCONFINED}
    if not modes <= ENFORCES | {COMPLAIN}:
        return None
    if not modes:
        return MacMode.DISABLED
    if modes == {COMPLAIN}:
        return MacMode.PERMISSIVE
    return MacMode.MIXED if COMPLAIN in modes else MacMode.ENFORCING
