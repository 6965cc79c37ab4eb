# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel, apparmor_parser and profile files say of AppArmor. Pure.

Facts of the formats: security/apparmor/apparmorfs.c and label.c in the kernel; apparmor.d(5); parser/parser_main.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._errors import CannotParse, tail
from .files import split_files

# The words of the kernel for the mode of a loaded profile (aa_profile_mode_names).
ENFORCE = "enforce"
COMPLAIN = "complain"
KILL = "kill"  # enforces, and kills the process that was denied
UNCONFINED = "unconfined"  # only a name; confines nothing
PROMPT = "user"  # asks a daemon; without one it denies
ENFORCES = frozenset({ENFORCE, KILL, PROMPT})
# In the names of profiles that the kernel makes up for what a program in complain mode executes.
LEARNED = "//null-"

# Profiles that a daemon makes, loads and replaces by itself: whoever changes them is undone at its next start.
_DAEMONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"docker-default$"), "docker"),
    (re.compile(r"containers-default-"), "podman"),
    (re.compile(r"cri-containerd\.apparmor\.d$"), "containerd"),
    (re.compile(r"crio-default"), "cri-o"),
    (re.compile(r"buildkit-default$"), "buildkit"),
    (re.compile(r"garden-default$"), "garden"),
    (re.compile(r"(lxd|lxc|incus)[-_]"), "lxd or incus"),
    (re.compile(r"/snap/|/usr/lib/snapd/|snap\.|snap-update-ns\.|snap-confine"), "snapd"),
    (re.compile(r"libvirt-[0-9a-f]{8}-"), "libvirt"),
)


def owner_of(profile: str) -> str | None:
    """Return the daemon that loads `profile` by itself, or None."""
    return next((daemon for pattern, daemon in _DAEMONS if pattern.match(profile)), None)


def parse_profiles(text: str) -> dict[str, str]:
    """Return the mode of each loaded profile from /sys/kernel/security/apparmor/profiles: {name: mode}.

    A name may have spaces, parentheses and `//` (child profiles, hats): the mode is what follows the last ` (`.
    Raises CannotParse.
    """
    modes: dict[str, str] = {}
    for line in text.split("\n"):
        if not line:
            continue
        name, opened, mode = line.rpartition(" (")
        if not opened or not name or not mode.endswith(")"):
            raise CannotParse("the list of loaded AppArmor profiles", "a line is not `NAME (MODE)`", line)
        modes[name] = mode[:-1]
    return modes


def parse_names(text: str) -> tuple[str, ...]:
    """Return the profiles that a file defines, children and hats included, from `apparmor_parser -N`."""
    return tuple(line for line in text.split("\n") if line)


def parse_names_by_file(text: str) -> dict[str, tuple[str, ...]]:
    """Return {base name of the file: its profiles} from `apparmor_parser -N` of several files, each behind a mark."""
    return {path.rpartition("/")[2]: parse_names(names) for path, names in split_files(text)}


def declared_flags(lines: Iterable[str]) -> frozenset[str]:
    """Return the flags of all profiles in `lines` of a profile file: `flags=(complain, attach_disconnected)`."""
    flags: set[str] = set()
    for line in lines:
        if not line.lstrip().startswith("#"):
            for found in re.finditer(r"\bflags\s*=\s*\(([^)]*)\)", line):
                flags.update(re.split(r"[\s,]+", found[1].strip()))
    return frozenset(flags - {""})


def flags_by_file(text: str) -> dict[str, frozenset[str]]:
    """Return {base name of the file: its flags} from `grep -H` over profile files: `PATH:LINE`."""
    lines: dict[str, list[str]] = {}
    for line in text.split("\n"):
        path, colon, content = line.partition(":")
        if colon:
            lines.setdefault(path.rpartition("/")[2], []).append(content)
    return {name: declared_flags(content) for name, content in lines.items()}


def parse_error(stderr: str) -> str:
    """Return what apparmor_parser found wrong with a profile that it read from stdin: `line 3: syntax error, ...`."""
    found = re.search(r"^AppArmor parser error.*?(?: at (line \d+))?: (.+)$", stderr, flags=re.MULTILINE)
    if not found:
        return tail(stderr, 3) or "apparmor_parser does not say why"
    return f"{found[1]}: {found[2]}" if found[1] else found[2]
