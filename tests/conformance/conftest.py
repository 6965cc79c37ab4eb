# SPDX-License-Identifier: GPL-3.0-or-later
"""The play is made of the tests that were chosen: `--family NAME` (repeatable) and `-k` leave hosts out."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "simhost")]

import family as families
from family import Family
from suite import Fleet, Told

_WANTED: set[tuple[str, str]] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--family", action="append", choices=families.names(), help="only this one; may be repeated")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "family" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--family") or families.names()
        metafunc.parametrize("family", [families.load(name) for name in chosen], ids=chosen)


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:
        marker = item.get_closest_marker("scenario")
        if marker and isinstance(item, pytest.Function):
            _WANTED.add((item.callspec.params["family"].name, marker.args[0]))


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """All that was played, once."""
    with tempfile.TemporaryDirectory(prefix="simhost-") as folder:
        played = Fleet(Path(folder), _WANTED)
        played.run()
        yield played


@pytest.fixture
def told(request: pytest.FixtureRequest, fleet: Fleet, family: Family) -> dict[str, Told]:
    """What became of each task of the test's scenario, by its name."""
    marker = cast(pytest.Mark, request.node.get_closest_marker("scenario"))
    seen = fleet.told[family.name, marker.args[0]]
    assert seen, fleet.output
    return seen
