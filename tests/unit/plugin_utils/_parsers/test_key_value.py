# SPDX-License-Identifier: GPL-3.0-or-later
"""os-release(5) and our own records."""

from __future__ import annotations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Os
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.key_value import (
    parse_key_values,
    parse_os_release,
)


def test_os_release_quoted_and_plain() -> None:
    text = """# a comment
NAME='Fedora Linux'
ID=fedora
VERSION_ID=43
VARIANT_ID="coreos"
PRETTY_NAME="Fedora CoreOS \\"43\\""
BROKEN="no end
not an assignment
"""
    assert parse_os_release(text) == Os("fedora", "43", "coreos", 'Fedora CoreOS "43"')


def test_absent_is_none() -> None:
    assert parse_os_release("") == Os(None, None, None, None)


def test_values_as_they_are_and_the_last_counts() -> None:
    assert parse_key_values("a=1=2\nb=\nnoise\na= 3 \n") == {"a": " 3 ", "b": ""}
