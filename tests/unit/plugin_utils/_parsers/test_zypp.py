# SPDX-License-Identifier: GPL-3.0-or-later
"""Which repositories are followed, and how they are verified."""

from __future__ import annotations

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.zypp import Repository, parse_repositories

MUTATIONS = 10_000
OSS = "http://download.opensuse.org/tumbleweed/repo/oss/"


def _files(**contents: str) -> str:
    names = {"zypp": "/etc/zypp/zypp.conf"}
    return "".join(
        f"\n{FILE_MARK}{names.get(name, f'/etc/zypp/repos.d/{name}.repo')}\n{content}"
        for name, content in contents.items()
    )


def test_enabled_ones_by_alias() -> None:
    text = _files(
        oss=f"# comment\n[repo-oss]\nname=Main\nenabled=1\nautorefresh=1\nbaseurl={OSS}\ngpgcheck=1\n",
        more="[update]\nbaseurl = https://a.example.org/u\nenabled = yes\n\n[debug]\nenabled=0\nbaseurl=https://d/\n"
        "[cdn]\nmirrorlist=https://m.example.org/?x=y\n[none]\nenabled=true\n",
    )
    assert parse_repositories(text) == (
        Repository("cdn", "mirrorlist=https://m.example.org/?x=y", True),
        Repository("none", None, True),
        Repository("repo-oss", OSS, True),
        Repository("update", "https://a.example.org/u", True),
    )


def test_nothing_is_followed() -> None:
    assert parse_repositories("") == ()
    assert parse_repositories(_files(oss="[repo-oss]\nenabled=0\n", zypp="[main]\ngpgcheck=on\n")) == ()


def test_mirrors_of_one_repository() -> None:
    for text in ("baseurl=https://a/\n  https://b/\n", "baseurl=https://a/\nbaseurl=https://b/\n"):
        (found,) = parse_repositories(_files(one=f"[one]\n{text}gpgcheck=0\n"))
        assert found == Repository("one", "https://a/ https://b/", False)


@pytest.mark.parametrize(
    ("own", "common", "verified"),
    [
        ("", "", True),
        ("gpgcheck=1", "", True),
        ("gpgcheck=0", "", False),
        ("gpgcheck=off\nrepo_gpgcheck=on", "", True),
        ("gpgcheck=0\npkg_gpgcheck=1", "", True),
        # Without signed metadata the packages' own signatures are asked for.
        ("gpgcheck=1\nrepo_gpgcheck=0", "", True),
        ("gpgcheck=1\nrepo_gpgcheck=0\npkg_gpgcheck=0", "", False),
        ("", "gpgcheck = off", False),
        ("gpgcheck=1", "gpgcheck = off", True),
        ("", "gpgcheck = off\nrepo_gpgcheck = on", True),
        ("gpgcheck=what", "", True),
    ],
)
def test_verification(own: str, common: str, verified: bool) -> None:
    text = _files(zypp=f"[main]\n## gpgcheck = on\n{common}\n", one=f"[one]\nbaseurl=https://a/\n{own}\n")
    assert [one.verified for one in parse_repositories(text)] == [verified]


def test_damaged_files_raise_nothing_and_make_nothing_up() -> None:
    text = _files(
        zypp="[main]\nrepo_gpgcheck = on\n",
        oss=f"[repo-oss]\nname=Main\nenabled=1\nbaseurl={OSS}\ngpgcheck=1\n",
        more="[update]\nbaseurl=https://a.example.org/u\n\thttps://b.example.org/u\ngpgcheck=0\n",
    )
    for variant in mutations(text, seed=5, count=MUTATIONS):
        for one in parse_repositories(variant):
            assert f"[{one.alias}]" in variant
            assert all(word.removeprefix("mirrorlist=") in variant for word in (one.url or "").split())
