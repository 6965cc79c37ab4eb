# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel, apparmor_parser and profile files say of AppArmor."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.apparmor import (
    declared_flags,
    flags_by_file,
    owner_of,
    parse_error,
    parse_names_by_file,
    parse_profiles,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "apparmor"


def test_profiles_of_a_real_host() -> None:
    text = (FIXTURES / "boot-profiles.txt").read_text()
    profiles = parse_profiles(text)
    assert len(profiles) == len(text.splitlines())
    assert profiles["smbldap-useradd///etc/init.d/nscd"] == "complain"
    assert set(Counter(profiles.values())) == {"complain", "enforce", "unconfined"}


NAMES = st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)), min_size=1)


@given(st.dictionaries(NAMES, st.sampled_from(["enforce", "complain", "kill", "unconfined", "user"])))
def test_any_name_survives(profiles: dict[str, str]) -> None:
    assert parse_profiles("".join(f"{name} ({mode})\n" for name, mode in profiles.items())) == profiles


@pytest.mark.parametrize("line", ["name", "name (enforce", " (enforce)", "(enforce)"])
def test_what_is_no_profile_is_refused(line: str) -> None:
    with pytest.raises(CannotParse, match="NAME"):
        parse_profiles(f"{line}\n")


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("profile a /usr/bin/a flags=(complain) {", {"complain"}),
        ("/opt/b flags=(attach_disconnected, complain) {", {"attach_disconnected", "complain"}),
        ("profile c flags = ( unconfined  mediate_deleted ) {", {"unconfined", "mediate_deleted"}),
        ("# profile d flags=(complain) {", set()),
        ("profile e /usr/bin/complain {", set()),
        ("  set rlimit_flags=(x)", set()),
    ],
)
def test_flags(line: str, flags: set[str]) -> None:
    assert declared_flags([line]) == flags


def test_flags_and_names_by_file() -> None:
    assert flags_by_file("/etc/apparmor.d/a:profile a flags=(complain) {\n/etc/apparmor.d/b:x flags=(kill) {\n") == {
        "a": {"complain"},
        "b": {"kill"},
    }
    text = "\n@@flotilla-file /etc/apparmor.d/a\na\na//kid\n\n@@flotilla-file /etc/apparmor.d/broken\n"
    assert parse_names_by_file(text) == {"a": ("a", "a//kid"), "broken": ()}


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("docker-default", "docker"),
        ("containers-default-0.62.2", "podman"),
        ("snap.lxd.daemon", "snapd"),
        ("/snap/core/1/usr/lib/snapd/snap-confine", "snapd"),
        ("lxd-web_</var/snap/lxd/common/lxd>", "lxd or incus"),
        ("libvirt-0123abcd-1111-2222-3333-444455556666", "libvirt"),
        ("dockerd", None),
        ("lab-confined", None),
        ("libvirtd", None),
    ],
)
def test_who_loads_a_profile(name: str, owner: str | None) -> None:
    assert owner_of(name) == owner


@pytest.mark.parametrize(
    ("fixture", "said"),
    [
        ("syntax", "line 2: syntax error, unexpected end of file, expecting TOK_END_OF_RULE"),
        ("include", "line 1: Could not open 'abstractions/nosuch'"),
        ("flag", "line 1: Invalid profile flag: nosuch."),
    ],
)
def test_error_shows_the_line(fixture: str, said: str) -> None:
    assert parse_error((FIXTURES / f"parser-error-{fixture}.txt").read_text()) == said


def test_error_of_a_text_on_stdin() -> None:
    # apparmor_parser 4.1.0 with a profile on stdin.
    assert parse_error("AppArmor parser error at line 3: syntax error, unexpected TOK_CLOSE\n") == (
        "line 3: syntax error, unexpected TOK_CLOSE"
    )
    assert parse_error("") == "apparmor_parser does not say why"
