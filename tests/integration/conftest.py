# SPDX-License-Identifier: GPL-3.0-or-later
"""What the whole rollouts have in common: the copy of the collection, and a real PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "rollout"))
sys.path.insert(0, str(Path(__file__).parents[1] / "databases"))
from play import copy_collection
from postgresql import Server


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collections")
    copy_collection(folder)
    return folder


@pytest.fixture
def postgresql() -> Iterator[Server]:
    """A server for one test, which may stop it."""
    server = Server()
    yield server
    server.remove()
