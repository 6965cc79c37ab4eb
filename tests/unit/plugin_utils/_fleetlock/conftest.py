# SPDX-License-Identifier: GPL-3.0-or-later
"""Real lock servers, each ended by its own process id."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


def _load(name: str) -> Any:
    """Load a file beside this one; pytest's importlib mode has no packages of tests."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"fleetlock_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite"


@pytest.fixture
def serve(tmp_path: Path, ledger: str) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a server with the given arguments; `ledger` and `port` by name."""
    process = _load("process")
    started: list[Any] = []

    def start(*arguments: str, port: int | None = None, url: str | None = None) -> Any:
        one = process.Process(url or ledger, tmp_path / "server.log", *arguments, port=port)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.end()
