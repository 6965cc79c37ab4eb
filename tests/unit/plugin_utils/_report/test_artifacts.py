# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from made_rollout import made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.artifacts import FORMATS, artifacts


def test_same_record_same_bytes() -> None:
    assert artifacts(made(), "/reports", FORMATS) == artifacts(made(), "/reports", FORMATS)


def test_names_and_formats() -> None:
    found = artifacts(made(), "/reports", ["html", "json"])
    assert {name: str(path) for name, (path, _text) in found.items()} == {
        "json": "/reports/upgrade-12.json",
        "html": "/reports/upgrade-12.html",
    }
    assert json.loads(found["json"][1]) == made()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b/c", "\n", "ü"])
def test_a_name_never_leads_out_of_the_directory(name: str) -> None:
    for path, _text in artifacts(made(name=name), "/reports", FORMATS).values():
        assert str(path.parent) == "/reports"
        assert path.name.isascii()
