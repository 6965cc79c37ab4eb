# SPDX-License-Identifier: GPL-3.0-or-later
"""The repositories that libzypp follows, and how it verifies what they offer.

Sources: openSUSE/libzypp zypp/repo/RepoInfo.cc, zypp/parser/RepoFileReader.cc, zypp.conf; zypper(8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .files import split_files

_SECTION = re.compile(r"\[(.+)\]")
_YES = frozenset({"1", "yes", "true", "on", "always", "enabled"})
_NO = frozenset({"0", "no", "false", "off", "never", "disabled"})
_CHECKS = ("gpgcheck", "repo_gpgcheck", "pkg_gpgcheck")


@dataclass(frozen=True)
class Repository:
    """An enabled repository. `url` is as it stands in its file; None where that names none.

    `verified`: its metadata or each of its packages must have a signature of a known key.
    """

    alias: str
    url: str | None
    verified: bool


def parse_repositories(text: str) -> tuple[Repository, ...]:
    """Return the enabled repositories by alias, from the printed files of repos.d and, before them, zypp.conf.

    What is no section, assignment or continuation of one is passed over, as libzypp does.
    """
    settings: dict[str, str] = {}
    sections: dict[str, dict[str, str]] = {}
    for path, content in split_files(text):
        if path.endswith(".repo"):
            for alias, found in _sections(content).items():
                sections[alias] = {**sections.get(alias, {}), **found}
        else:
            settings |= _sections(content).get("main", {})
    return tuple(
        Repository(alias, _url(found), _verified(found, settings))
        for alias, found in sorted(sections.items())
        if _switch(found.get("enabled"), True)
    )


def _sections(content: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    key = ""
    for line in content.splitlines():
        text = line.strip()
        heading = _SECTION.fullmatch(text)
        if heading:
            section, key = sections.setdefault(heading[1], {}), ""
        elif not text or text[0] in "#;" or section is None:
            key = ""
        elif "=" in text and not (key == "baseurl" and line[0].isspace()):
            key, _equals, value = (part.strip() for part in text.partition("="))
            # Several base URLs are mirrors of one repository.
            section[key] = f"{section[key]} {value}" if key == "baseurl" and key in section else value
        elif key == "baseurl":
            section[key] = f"{section[key]} {text}".strip()
    return sections


def _url(found: dict[str, str]) -> str | None:
    if found.get("baseurl"):
        return found["baseurl"]
    mirrors = found.get("mirrorlist") or found.get("metalink")
    return f"mirrorlist={mirrors}" if mirrors else None


def _switch(value: str | None, default: bool | None) -> bool | None:
    word = (value or "").lower()
    return True if word in _YES else False if word in _NO else default


def _verified(found: dict[str, str], settings: dict[str, str]) -> bool:
    """As RepoInfo decides: `gpgcheck` asks for signed metadata, or else for signed packages; the others are by name."""
    check, metadata, packages = (_switch(found.get(key), _switch(settings.get(key), None)) for key in _CHECKS)
    if check is None:
        check = True
    if metadata or packages:
        return True
    # Unsigned metadata is made up for by the packages' own signatures, unless these are left out by name as well.
    return check and not (metadata is False and packages is False)
