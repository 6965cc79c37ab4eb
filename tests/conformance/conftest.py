# SPDX-License-Identifier: GPL-3.0-or-later
"""The play is made of the tests that were chosen: `--family NAME` (repeatable) and `-k` leave hosts out."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "simhost")]

import family as families
from family import Family
from suite import Fleet, Told

PROVEN = HERE / "proven.json"

_WANTED: set[tuple[str, str]] = set()
_OUTCOMES: dict[tuple[str, str], set[str]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--family", action="append", choices=families.names(), help="only this one; may be repeated")
    parser.addoption("--prove", action="store_true", help="write what passes into proven.json, for the support matrix")


def _chosen(config: pytest.Config) -> list[str]:
    return list(config.getoption("--family") or families.names())


@pytest.fixture(scope="session")
def chosen(pytestconfig: pytest.Config) -> list[str]:
    return _chosen(pytestconfig)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "family" in metafunc.fixturenames:
        chosen = _chosen(metafunc.config)
        metafunc.parametrize("family", [families.load(name) for name in chosen], ids=chosen)


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:
        marker = item.get_closest_marker("scenario")
        if marker and isinstance(item, pytest.Function):
            _WANTED.add((item.callspec.params["family"].name, marker.args[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marker = item.get_closest_marker("proves")
    if marker and isinstance(item, pytest.Function) and (report.when == "call" or report.outcome != "passed"):
        key = (item.callspec.params["family"].name, marker.args[0])
        _OUTCOMES.setdefault(key, set()).add(report.outcome)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A verb is proven by a test that passed and none that did not; families that were not run keep their proof."""
    if not session.config.getoption("--prove"):
        return
    proven = json.loads(PROVEN.read_text()) if PROVEN.exists() else {}
    for name in {name for name, _verb in _OUTCOMES}:
        verbs = [verb for (of, verb), seen in _OUTCOMES.items() if of == name and seen == {"passed"}]
        proven[name] = sorted(verbs)
    PROVEN.write_text(json.dumps(proven, indent=2, sort_keys=True) + "\n")


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
