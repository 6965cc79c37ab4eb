# SPDX-License-Identifier: GPL-3.0-or-later
"""AppArmor: what shows its state, and the sh that changes it. Needs apparmor_parser on the host, and no more.

Modes are kept where updates of the OS leave them: a file of the profile's name in `force-complain/` or `disable/`
under /etc/apparmor.d, which apparmor_parser looks for (parser_main.c, test_for_dir_mode: any readable file counts).
Ours are plain files that say so, so that what others put there is told apart and left alone.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from .._model.host import Results, Step
from .._model.shell import FILE_MARK, first_line, quote, write_file
from .._model.state import Mac, MacMode, MacSystem
from .._parsers.apparmor import (
    COMPLAIN,
    ENFORCES,
    LEARNED,
    UNCONFINED,
    flags_by_file,
    parse_names_by_file,
    parse_profiles,
)

# Where the kernel shows its policy; the file `revision` beside `profiles` blocks its reader and is never read.
SECURITYFS = "/sys/kernel/security/apparmor"
POLICY = "/etc/apparmor.d"
FORCE_COMPLAIN = "force-complain"
DISABLE = "disable"
# In the text of each file that we put into one of the two directories.
MARK = "Put here by flotilla.container_os"
# Exit code of the shell for a command that is not there.
NOT_INSTALLED = 127

ENABLED = "mac.apparmor"
PROFILES = "mac.apparmor_profiles"
NAMES = "mac.apparmor_names"
FLAGS = "mac.apparmor_flags"
LINKS = "mac.apparmor_links"


class Link(str, enum.Enum):
    """Who put a file into force-complain/ or disable/."""

    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True)
class PolicyFile:
    """A file in /etc/apparmor.d. `profiles`: what it defines; none where apparmor_parser cannot read it."""

    name: str
    profiles: tuple[str, ...]
    flags: frozenset[str] = frozenset()
    force_complain: Link | None = None
    disable: Link | None = None


def probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show whether AppArmor runs and which profiles are loaded.

    `root`: the directory that stands for / in tests. Only root may read the profiles, whatever the file's mode says.
    """
    return (
        Step(ENABLED, first_line(f"{root}/sys/module/apparmor/parameters/enabled")),
        Step(PROFILES, f"cat {root}{SECURITYFS}/profiles"),
    )


def policy_probes(root: str = "") -> tuple[Step, ...]:
    """Return the steps that show which files define which profiles. About 10 ms for each file.

    The parser gets each file on stdin: by its name it would pass over one that is disabled. What it would pass over in
    the directory (is_blacklisted in libapparmor's private.c) is passed over here too.
    """
    policy = root + POLICY
    return (
        Step(
            NAMES,
            f"command -v apparmor_parser >/dev/null || exit {NOT_INSTALLED}; "
            f'for f in {policy}/*; do [ -f "$f" ] || continue; '
            "case $f in *.dpkg-*|*.rpmnew|*.rpmsave|*.orig|*.rej|*.pacnew|*.pacsave|*~|*/README) continue;; esac; "
            f'printf \'\\n{FILE_MARK}%s\\n\' "$f"; apparmor_parser -N <"$f" 2>/dev/null; done; :',
        ),
        Step(FLAGS, f"grep -sHE 'flags *= *[(]' {policy}/* || :"),
        links_probe(root, "*"),
    )


def links_probe(root: str, name: str) -> Step:
    """Return the step that shows what is in force-complain/ and disable/ under `name`, a sh pattern."""
    policy = root + POLICY
    return Step(
        LINKS,
        f"for f in {policy}/{FORCE_COMPLAIN}/{name} {policy}/{DISABLE}/{name}; do "
        '[ -e "$f" ] || [ -L "$f" ] || continue; '
        f'if [ ! -L "$f" ] && grep -q {quote(MARK)} "$f"; then echo "{Link.OURS.value} $f"; '
        f'else echo "{Link.THEIRS.value} $f"; fi; done',
    )


def read_mac(results: Results) -> Mac | None:
    """Return the state where AppArmor is on; None where it is off or not in the kernel. Raises CannotParse.

    The mode is None (unknown) when the profiles cannot be read, or one is in a mode that is not known here.
    """
    if results[ENABLED].text != "Y":
        return None
    profiles = read_profiles(results)
    return Mac(MacSystem.APPARMOR, None if profiles is None else overall(profiles))


def read_profiles(results: Results) -> dict[str, str] | None:
    """Return {name: mode} of the loaded profiles; None where they cannot be read. Raises CannotParse."""
    return parse_profiles(results[PROFILES].stdout) if results[PROFILES].ok else None


def overall(profiles: Mapping[str, str]) -> MacMode | None:
    """Return the mode of AppArmor as a whole.

    Profiles in the mode `unconfined` only name programs and count for nothing, nor do those that the kernel makes up.
    Where no profile enforces or complains, nothing is confined: that is DISABLED, whatever the kernel could do.
    """
    modes = {mode for name, mode in profiles.items() if LEARNED not in name} - {UNCONFINED}
    if not modes <= ENFORCES | {COMPLAIN}:
        return None
    if not modes:
        return MacMode.DISABLED
    if modes == {COMPLAIN}:
        return MacMode.PERMISSIVE
    return MacMode.MIXED if COMPLAIN in modes else MacMode.ENFORCING


def read_links(results: Results) -> dict[tuple[str, str], Link]:
    """Return who put what into the two directories: {(directory, name): who}."""
    links = {}
    for line in results[LINKS].stdout.splitlines():
        who, _space, path = line.partition(" ")
        directory, name = path.split("/")[-2:]
        links[directory, name] = Link(who)
    return links


def read_files(results: Results) -> tuple[PolicyFile, ...]:
    """Return the files of /etc/apparmor.d, from the results of `policy_probes`."""
    links, flags = read_links(results), flags_by_file(results[FLAGS].stdout)
    return tuple(
        PolicyFile(
            name=name,
            profiles=profiles,
            flags=flags.get(name, frozenset()),
            force_complain=links.get((FORCE_COMPLAIN, name)),
            disable=links.get((DISABLE, name)),
        )
        for name, profiles in parse_names_by_file(results[NAMES].stdout).items()
    )


def put_link(root: str, directory: str, name: str) -> str:
    """Return sh that makes apparmor_parser find `name` in force-complain/ or disable/, durably."""
    doing = "loaded in complain mode" if directory == FORCE_COMPLAIN else "not loaded"
    text = f"# {MARK}: the profiles in {POLICY}/{name} are {doing} while this file is here.\n"
    return write_file(f"{root}{POLICY}/{directory}/{name}", text)


def drop_link(root: str, directory: str, name: str) -> str:
    """Return sh that takes `name` out of force-complain/ or disable/."""
    return f"rm -f {quote(f'{root}{POLICY}/{directory}/{name}')}"


def load(path: str) -> str:
    """Return sh that loads the profiles of a file, or replaces them; processes that run under them stay confined.

    The cache is written for the next boot; where it cannot be, the parser goes on without.
    """
    return f"apparmor_parser -r -W {quote(path)}"


def unload(root: str, profile: str) -> str:
    """Return sh that removes a loaded profile, with its children. Processes that run under it are confined no more."""
    return f"printf '%s' {quote(profile)} >{root}{SECURITYFS}/.remove"
