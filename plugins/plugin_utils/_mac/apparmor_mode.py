# SPDX-License-Identifier: GPL-3.0-or-later
"""AppArmor as a whole, enforcing or permissive: a pure plan from what is observed.

Only profiles that come from files in /etc/apparmor.d are switched. What daemons load by themselves is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .._errors import Refused
from .._model.host import Results, Step
from .._model.state import Mac, MacMode
from .._parsers.apparmor import COMPLAIN, ENFORCE, ENFORCES, LEARNED, owner_of
from .apparmor import (
    FORCE_COMPLAIN,
    NAMES,
    NOT_INSTALLED,
    POLICY,
    Link,
    PolicyFile,
    drop_link,
    load,
    overall,
    put_link,
    read_files,
    read_profiles,
)
from .plan import ModePlan


@dataclass(frozen=True)
class AppArmorView:
    """What the mode is made of: the loaded profiles {name: mode}, and the files in /etc/apparmor.d."""

    mac: Mac
    profiles: Mapping[str, str]
    files: tuple[PolicyFile, ...]

    def file_of(self, profile: str) -> PolicyFile | None:
        """Return the file that `profile` is loaded from, unless a daemon loads it."""
        if owner_of(profile):
            return None
        return next((file for file in self.files if profile in file.profiles), None)

    def in_mode(self, modes: frozenset[str]) -> list[str]:
        """Return the loaded profiles in one of `modes`; what the kernel makes up while it learns does not count."""
        return sorted(name for name, mode in self.profiles.items() if mode in modes and LEARNED not in name)

    def loaded(self, file: PolicyFile) -> bool:
        return any(profile in self.profiles for profile in file.profiles)


def read_view(results: Results, mac: Mac) -> AppArmorView:
    """Read the results of `policy_probes`. Raises CannotParse, Refused when the mode cannot be seen or set."""
    profiles = read_profiles(results)
    if profiles is None or mac.mode is None:
        raise Refused(
            "cannot tell the mode of AppArmor: its profiles cannot be read "
            f"({results['mac.apparmor_profiles'].stderr.strip() or 'one is in a mode that is not known'})"
        )
    if results[NAMES].rc == NOT_INSTALLED:
        raise Refused("cannot set the mode of AppArmor: apparmor_parser is not installed on the host")
    return AppArmorView(mac, profiles, read_files(results))


def shown(view: AppArmorView) -> dict[str, object]:
    """Return what of `view` shows in diff mode."""
    forced = [file.name for file in view.files if file.force_complain is not None]
    return {"mode": view.mac.mode, "profiles": dict(sorted(view.profiles.items())), "force_complain": sorted(forced)}


def plan(view: AppArmorView, mode: MacMode, root: str = "") -> ModePlan:
    """Return the way from `view` to `mode`. Raises Refused when there is none."""
    if mode is MacMode.DISABLED:
        if view.mac.mode is MacMode.DISABLED:
            return ModePlan(after=shown(view))
        return ModePlan(after={**shown(view), "mode": mode}, argument="apparmor=0")
    return _enforcing(view, root) if mode is MacMode.ENFORCING else _permissive(view, root)


def _enforcing(view: AppArmorView, root: str) -> ModePlan:
    complaining = view.in_mode(frozenset({COMPLAIN}))
    if not complaining and not view.in_mode(ENFORCES):
        raise Refused(
            "cannot make AppArmor enforcing: no profile is loaded that confines anything; add one with apparmor_profile"
        )
    blocked = [reason for profile in complaining if (reason := _why_it_complains(view, profile))]
    if blocked:
        raise Refused(f"cannot make AppArmor enforcing: {'; '.join(blocked)}")
    files = [
        file
        for file in view.files
        if file.force_complain is Link.OURS or any(profile in complaining for profile in file.profiles)
    ]
    steps = [
        Step(
            f"enforce.{index}",
            drop_link(root, FORCE_COMPLAIN, file.name)
            + (f" && {load(f'{root}{POLICY}/{file.name}')}" if view.loaded(file) and not file.disable else ""),
            required=True,
        )
        for index, file in enumerate(files)
    ]
    return ModePlan(tuple(steps), _after(view, dict.fromkeys(complaining, ENFORCE), files, forced=False))


def _why_it_complains(view: AppArmorView, profile: str) -> str | None:
    """Return why `profile` would still complain after our part is taken away; None when it would enforce."""
    owner = owner_of(profile)
    if owner:
        return f"profile {profile} is in complain mode, and {owner} loads it that way"
    file = view.file_of(profile)
    if file is None:
        return f"profile {profile} is in complain mode, and no file in {POLICY} defines it"
    if "complain" in file.flags:
        return f"profile {profile} is in complain mode by flags=(complain) in {POLICY}/{file.name}"
    if file.force_complain is Link.THEIRS:
        link = f"{POLICY}/{FORCE_COMPLAIN}/{file.name}"
        return f"profile {profile} is in complain mode by {link}, which is not ours to remove"
    if file.disable is not None:
        return (
            f"profile {profile} is in complain mode, and {POLICY}/disable/{file.name} keeps it from being loaded again"
        )
    return None


def _permissive(view: AppArmorView, root: str) -> ModePlan:
    enforcing = view.in_mode(ENFORCES)
    complaining = view.in_mode(frozenset({COMPLAIN}))
    files = [
        file
        for file in view.files
        if not file.disable and any(_to_force(view, file, profile, enforcing, complaining) for profile in file.profiles)
    ]
    switched = [profile for file in files for profile in file.profiles if profile in enforcing]
    kept = [profile for profile in enforcing if profile not in switched]
    steps = [
        Step(
            f"complain.{index}",
            f"{put_link(root, FORCE_COMPLAIN, file.name)} && {load(f'{root}{POLICY}/{file.name}')}",
            required=True,
        )
        for index, file in enumerate(files)
    ]
    note = f"still enforcing, as not loaded from a file in {POLICY}: {', '.join(kept)}" if kept else None
    return ModePlan(tuple(steps), _after(view, dict.fromkeys(switched, COMPLAIN), files, forced=True), note=note)


def _to_force(view: AppArmorView, file: PolicyFile, profile: str, enforcing: list[str], complaining: list[str]) -> bool:
    """Tell whether `file` needs our mark: it enforces now, or will after the next boot."""
    if view.file_of(profile) is not file:
        return False
    lasting = file.force_complain is not None or "complain" in file.flags
    return profile in enforcing or (profile in complaining and not lasting)


def _after(view: AppArmorView, modes: Mapping[str, str], files: list[PolicyFile], forced: bool) -> dict[str, object]:
    profiles = {**view.profiles, **modes}
    touched = {file.name for file in files}
    marked = {file.name for file in view.files if file.force_complain is not None}
    return {
        "mode": overall(profiles),
        "profiles": dict(sorted(profiles.items())),
        "force_complain": sorted(marked | touched if forced else marked - touched),
    }
