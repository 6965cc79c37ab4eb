# SPDX-License-Identifier: GPL-3.0-or-later
"""What stat prints."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_file import parse_file


def test_a_regular_file() -> None:
    found, content = parse_file("1000\n81a4 12 0 65534 940\none\ntwo\n")
    assert found == {"file_type": "file", "size": 12, "mode": "0644", "uid": 0, "gid": 65534, "age": 60}
    assert content == "one\ntwo\n"


@pytest.mark.parametrize(("raw", "file_type", "mode"), [("43ff", "directory", "1777"), ("c1b6", "socket", "0666")])
def test_other_types(raw: str, file_type: str, mode: str) -> None:
    found, _content = parse_file(f"1000\n{raw} 0 0 0 1\n")
    assert (found["file_type"], found["mode"]) == (file_type, mode)


def test_a_file_from_the_future_is_fresh() -> None:
    assert parse_file("1000\n81a4 0 0 0 2000\n")[0]["age"] == 0


@pytest.mark.parametrize("text", ["", "1000\n", "x\n81a4 0 0 0 1\n", "1000\nzz 0 0 0 1\n", "1000\n0000 0 0 0 1\n"])
def test_what_is_no_such_line_is_refused(text: str) -> None:
    with pytest.raises(CannotParse, match="cannot parse what stat printed"):
        parse_file(text)
