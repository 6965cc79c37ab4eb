# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of AppArmor profiles on a host: put in place, loaded in a mode, or taken away; and proven."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._errors import FlotillaError, Refused
from .._model.host import Host, Results, Step
from .._model.outcome import Outcome
from .._model.shell import quote, write_file
from .._model.state import MacSystem
from .._parsers.apparmor import COMPLAIN, ENFORCES, declared_flags, owner_of, parse_error, parse_names
from . import apparmor, info
from .apparmor import DISABLE, FORCE_COMPLAIN, NOT_INSTALLED, POLICY, Link

# Where the new text waits, under its own name, until the kernel has taken it: apparmor_parser names its cache after the
# file, and looks by its name into force-complain/. What begins with a dot is passed over when the directory is loaded.
STAGE = ".flotilla"
FILE = "profile.file"
NAMES = "profile.names"
CHECK = "profile.check"
NEW_NAMES = "profile.new_names"
# Exit code of a step for a file that is not there.
NO_SUCH_FILE = 44
# File names that apparmor_parser takes when it loads the directory: others would be gone after the next boot.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]*")
_PASSED_OVER = re.compile(r"README$|.*(\.dpkg-.*|\.rpmnew|\.rpmsave|\.orig|\.rej|\.pacnew|\.pacsave|\.new)$")


class ProfileMode(str, enum.Enum):
    """What the profiles of a file shall do."""

    ENFORCE = "enforce"
    COMPLAIN = "complain"
    DISABLED = "disabled"  # the file is there, its profiles are not loaded


@dataclass(frozen=True)
class ProfileWish:
    """`name`: of the file in /etc/apparmor.d. `content`: its text; None: leave it as it is."""

    name: str
    present: bool = True
    mode: ProfileMode = ProfileMode.ENFORCE
    content: str | None = None


@dataclass(frozen=True)
class ProfileView:
    """What is seen of the file: its text (None: not there), the profiles in it, and the loaded ones {name: mode}."""

    content: str | None
    names: tuple[str, ...]
    loaded: Mapping[str, str]
    force_complain: Link | None
    disable: Link | None

    def shown(self) -> dict[str, object]:
        """Return what shows in diff mode."""
        return {
            "content": self.content,
            "loaded": dict(sorted(self.loaded.items())),
            "force_complain": self.force_complain is not None,
            "disabled": self.disable is not None,
        }


@dataclass(frozen=True)
class _Plan:
    """Required steps, and what will show after them."""

    steps: tuple[Step, ...]
    after: Mapping[str, object]


def set_profile(host: Host, wish: ProfileWish, check: bool, root: str = "") -> Outcome:
    """Bring the file of `wish` and its profiles into the state that it says. `root`: what stands for / in tests.

    Raises Refused before anything is changed, ToolFailed (a step failed), FlotillaError (the proof failed).
    """
    _validate_name(wish.name)
    if wish.content is not None:  # what comes back from a host has plain newlines
        wish = replace(wish, content=wish.content.replace("\r\n", "\n"))
    results = host.run(_probes(wish, root))
    view = _read(results, wish)
    new_names = _validate(host, wish, results, view)
    plan = _present(wish, view, new_names, root) if wish.present else _absent(wish, view, root)
    if not plan.steps:
        return _outcome(view, view.shown(), results, f"{wish.name} is {_goal_state(wish)} already")
    if check:
        return _outcome(view, plan.after, results, f"{wish.name} would be {_goal_state(wish)}")
    results = host.run([*plan.steps, *_probes(wish, root)])
    for step in plan.steps:
        results[step.name].proven(f"make AppArmor profile {wish.name} {_goal_state(wish)} on {host.name}")
    after = _read(results, wish)
    left = _present(wish, after, new_names, root) if wish.present else _absent(wish, after, root)
    if left.steps:
        raise FlotillaError(
            f"cannot make AppArmor profile {wish.name} {_goal_state(wish)} on {host.name}: the kernel has "
            f"{dict(after.loaded) or 'none of its profiles'} afterwards",
            mac=info.details(results),
        )
    return _outcome(view, after.shown(), results, f"{wish.name} is {_goal_state(wish)}")


def _validate_name(name: str) -> None:
    if not _NAME.fullmatch(name) or _PASSED_OVER.match(name) or name.endswith("~"):
        raise Refused(
            f"cannot manage AppArmor profile {name!r}: not a file name that apparmor_parser loads from {POLICY}"
        )


def _probes(wish: ProfileWish, root: str) -> tuple[Step, ...]:
    path = f"{root}{POLICY}/{wish.name}"
    steps = [
        *info.probes(root),
        Step(FILE, f"[ -e {quote(path)} ] || exit {NO_SUCH_FILE}; cat {quote(path)}"),
        # On stdin: by its name the parser would pass over a file that is disabled.
        Step(NAMES, f"[ ! -e {quote(path)} ] || apparmor_parser -N <{quote(path)}"),
        apparmor.links_probe(root, wish.name),
    ]
    if wish.present and wish.content is not None:
        text = f"printf '%s' {quote(wish.content)}"
        steps += [
            Step(CHECK, f"{text} | apparmor_parser -Q -K"),
            Step(NEW_NAMES, f"{text} | apparmor_parser -N"),
        ]
    return tuple(steps)


def _read(results: Results, wish: ProfileWish) -> ProfileView:
    """Read the results of `_probes`. Raises CannotParse, ToolFailed."""
    found = results[FILE].rc != NO_SUCH_FILE
    content = results[FILE].proven(f"read {POLICY}/{wish.name}").stdout if found else None
    names = parse_names(results[NAMES].stdout)
    new_names = parse_names(results[NEW_NAMES].stdout) if NEW_NAMES in results else ()
    # A file that apparmor_parser cannot read (any more) still belongs to the profile that it is named after.
    ours = {*names, *new_names} or ({wish.name} if found else set())
    loaded = apparmor.read_profiles(results) or {}
    links = apparmor.read_links(results)
    return ProfileView(
        content=content,
        names=names,
        loaded={name: mode for name, mode in loaded.items() if name in ours},
        force_complain=links.get((FORCE_COMPLAIN, wish.name)),
        disable=links.get((DISABLE, wish.name)),
    )


def _validate(host: Host, wish: ProfileWish, results: Results, view: ProfileView) -> tuple[str, ...]:
    """Return the profiles that the file will define. Raises Refused."""
    goal = f"use AppArmor profile {wish.name} on {host.name}"
    details = info.details(results)
    runs = details.system is MacSystem.APPARMOR
    if runs and details.profiles is None:
        raise Refused(f"cannot {goal}: the loaded profiles cannot be read: {results[apparmor.PROFILES].stderr.strip()}")
    if NOT_INSTALLED in (results[NAMES].rc, CHECK in results and results[CHECK].rc):
        raise Refused(f"cannot {goal}: apparmor_parser is not installed there")
    if not wish.present:
        return ()
    if wish.content is None and view.content is None:
        raise Refused(f"cannot {goal}: there is no {POLICY}/{wish.name}; give content or src")
    judged = results[CHECK if wish.content is not None else NAMES]
    if not judged.ok:
        raise Refused(f"cannot {goal}: {parse_error(judged.stderr)}")
    names = view.names if wish.content is None else parse_names(results[NEW_NAMES].stdout)
    if not names:
        raise Refused(f"cannot {goal}: it defines no profile")
    for name in names:
        if owner_of(name):
            raise Refused(f"cannot {goal}: {name} is a profile that {owner_of(name)} loads by itself")
    if wish.mode is ProfileMode.DISABLED:
        return names
    if not runs:
        raise Refused(f"cannot {goal}: its kernel runs {_other(details.system)}, not AppArmor")
    text = wish.content if wish.content is not None else view.content
    against = declared_flags((text or "").split("\n")) & {"complain", "unconfined"}
    if wish.mode is ProfileMode.ENFORCE and against:
        raise Refused(f"cannot {goal}: its own flags=({', '.join(sorted(against))}) keep it from enforcing")
    return names


def _other(system: MacSystem) -> str:
    return "no mandatory access control" if system is MacSystem.NONE else system.value


def _present(wish: ProfileWish, view: ProfileView, names: tuple[str, ...], root: str) -> _Plan:
    policy = f"{root}{POLICY}"
    path, staged = f"{policy}/{wish.name}", f"{policy}/{STAGE}/{wish.name}"
    steps: list[Step] = []
    rewrite = wish.content is not None and wish.content != view.content
    complain, disable = wish.mode is ProfileMode.COMPLAIN, wish.mode is ProfileMode.DISABLED
    wanted = {} if disable else dict.fromkeys(names, COMPLAIN if complain else "enforce")
    right = {name for name, mode in view.loaded.items() if name in wanted and _fits(mode, wish.mode)}
    stale = [name for name in view.loaded if name not in wanted and "//" not in name]
    if rewrite and wish.content is not None:
        steps.append(_step("stage", write_file(staged, wish.content)))
    # This one profile is named by the user: links of others go too where they are against the mode.
    for directory, put, there in ((FORCE_COMPLAIN, complain, view.force_complain), (DISABLE, disable, view.disable)):
        if put and there is None:
            steps.append(_step(f"put.{directory}", apparmor.put_link(root, directory, wish.name)))
        elif not put and there is not None:
            steps.append(_step(f"drop.{directory}", apparmor.drop_link(root, directory, wish.name)))
    if wanted and (rewrite or right != set(wanted)):
        # Loaded before it is in place: a run that was cut off in between finds the old text, and begins again.
        cleanup = f" || {{ rc=$?; rm -rf {quote(f'{policy}/{STAGE}')}; exit $rc; }}" if rewrite else ""
        steps.append(_step("load", apparmor.load(staged if rewrite else path) + cleanup))
    steps += [_step(f"unload.{index}", apparmor.unload(root, name)) for index, name in enumerate(stale)]
    if rewrite:
        steps.append(_step("place", f"mv -f {quote(staged)} {quote(path)} && rmdir {quote(f'{policy}/{STAGE}')}"))
    kept = {name: view.loaded[name] for name in right}
    after = ProfileView(
        content=wish.content if rewrite else view.content,
        names=names,
        loaded={**wanted, **kept},
        force_complain=(view.force_complain or Link.OURS) if complain else None,
        disable=(view.disable or Link.OURS) if disable else None,
    )
    return _Plan(tuple(steps), after.shown())


def _fits(loaded: str, mode: ProfileMode) -> bool:
    return loaded == COMPLAIN if mode is ProfileMode.COMPLAIN else loaded in ENFORCES


def _absent(wish: ProfileWish, view: ProfileView, root: str) -> _Plan:
    """Unload, then remove: a run that was cut off in between still finds the file, and what it defines."""
    top = [name for name in view.loaded if "//" not in name and not owner_of(name)]
    steps = [_step(f"unload.{index}", apparmor.unload(root, name)) for index, name in enumerate(top)]
    links = {FORCE_COMPLAIN: view.force_complain, DISABLE: view.disable}
    steps += [
        _step(f"drop.{directory}", apparmor.drop_link(root, directory, wish.name))
        for directory, who in links.items()
        if who is Link.OURS
    ]
    if view.content is not None:
        steps.append(_step("remove", f"rm -f {quote(f'{root}{POLICY}/{wish.name}')}"))
    after = ProfileView(
        content=None,
        names=(),
        loaded={name: mode for name, mode in view.loaded.items() if owner_of(name)},
        force_complain=None if view.force_complain is Link.OURS else view.force_complain,
        disable=None if view.disable is Link.OURS else view.disable,
    )
    return _Plan(tuple(steps), after.shown())


def _step(name: str, script: str) -> Step:
    return Step(f"profile.{name}", script, required=True)


def _goal_state(wish: ProfileWish) -> str:
    if not wish.present:
        return "absent"
    return {"enforce": "enforcing", "complain": "complaining", "disabled": "disabled"}[wish.mode.value]


def _outcome(view: ProfileView, after: Mapping[str, object], results: Results, why: str) -> Outcome:
    before = view.shown()
    return Outcome(
        changed=after != before,
        why=why,
        returns={"mac": info.details(results), "profiles": after["loaded"]},
        before=before,
        after=after,
    )
