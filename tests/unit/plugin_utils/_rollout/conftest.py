# SPDX-License-Identifier: GPL-3.0-or-later
"""Both databases of the ledger, for the tests that ask for `backend`: they find its URL in their directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "databases"))
from postgresql import Server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    server = Server()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        (tmp_path / "ledger.url").write_text(request.getfixturevalue("postgresql").new_database())
    return str(request.param)
