# SPDX-License-Identifier: GPL-3.0-or-later
"""What selinuxfs and /etc/selinux/config say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.selinux import (
    config_mode,
    config_type,
    parse_enforce,
    with_mode,
)

CONFIG = "# SELINUX=disabled is for the brave\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"


@pytest.mark.parametrize(("words", "enforcing"), [({"enforce": "1"}, True), ({"enforce": "0"}, False), ({}, None)])
def test_enforce(words: dict[str, str], enforcing: bool | None) -> None:
    assert parse_enforce(words) is enforcing


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (CONFIG, "enforcing"),
        ("SELINUX=Permissive\n", "permissive"),
        ("SELINUX= disabled", "disabled"),
        (" SELINUX=enforcing\n", None),
        ("SELINUX=\nSELINUXTYPE=x\n", None),
        ("SELINUX=sometimes\nSELINUX=permissive\nSELINUX=enforcing\n", "permissive"),
        ("", None),
    ],
)
def test_config_mode(text: str, mode: str | None) -> None:
    assert config_mode(text) == mode


def test_config_type() -> None:
    assert config_type(CONFIG) == "targeted"
    assert config_type("SELINUX=enforcing\n") is None


def test_all_else_is_kept() -> None:
    assert with_mode(CONFIG, "permissive") == CONFIG.replace("SELINUX=enforcing", "SELINUX=permissive")
    assert with_mode("SELINUXTYPE=mcs", "enforcing") == "SELINUXTYPE=mcs\nSELINUX=enforcing\n"
    assert with_mode("SELINUX=a\nx\nSELINUX=b\n", "enforcing") == "SELINUX=enforcing\nx\n"


LINES = st.lists(st.sampled_from(["SELINUX=enforcing", "SELINUX=", "# SELINUX=x", "SELINUXTYPE=mcs", "", "a=b"]))


@given(LINES, st.sampled_from(["enforcing", "permissive", "disabled"]))
def test_the_mode_that_is_written_is_the_one_that_is_read(lines: list[str], mode: str) -> None:
    text = "\n".join(lines)
    written = with_mode(text, mode)
    assert config_mode(written) == mode
    assert with_mode(written, mode) == written
    assert config_type(written) == config_type(text)
