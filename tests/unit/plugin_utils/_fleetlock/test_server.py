# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lock server is started, and what keeps it from starting. (It runs for real in tests/integration.)"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock import server
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.budget import Group


@pytest.mark.parametrize(
    ("argv", "environment", "said"),
    [
        ([], {}, "needs --ledger or the variable FLOTILLA_LEDGER"),
        (["--group", "a"], {"FLOTILLA_LEDGER": "sqlite://"}, "must be NAME=SLOTS or NAME=SLOTS@ROLLOUT"),
        (["--group", "a=0"], {"FLOTILLA_LEDGER": "sqlite://"}, "no host could ever reboot"),
        (["--group", "a=1", "--group", "a=2"], {"FLOTILLA_LEDGER": "sqlite://"}, "each of them once"),
        (["--group", "a_b=1"], {"FLOTILLA_LEDGER": "sqlite://"}, "cannot serve group 'a_b'"),
        (["--lease", "0"], {"FLOTILLA_LEDGER": "sqlite://"}, "the lease is at least 1 s"),
        (["--listen", "here"], {"FLOTILLA_LEDGER": "sqlite://"}, "it must be ADDRESS:PORT"),
        (["--tls-key", "x"], {"FLOTILLA_LEDGER": "sqlite://"}, "belong together"),
        ([], {"FLOTILLA_LEDGER": "nonsense://u:hush@h/d"}, "cannot open the ledger"),
    ],
)
def test_what_cannot_be_started_says_why(
    argv: list[str], environment: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.main(argv, environment) == 1
    assert said in caplog.text
    assert "hush" not in caplog.text


def test_without_the_libraries_it_says_which(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(server, "uvicorn", None)
    assert server.main([], {"FLOTILLA_LEDGER": "sqlite://"}) == 1
    assert "Starlette and uvicorn are not installed (pip install starlette uvicorn)" in caplog.text


def test_everything_imports_without_the_libraries() -> None:
    hidden = "import sys; sys.modules.update(dict.fromkeys(['starlette', 'uvicorn', 'httpx', 'sqlalchemy'])); "
    names = "ansible_collections.flotilla.container_os.plugins"
    imports = f"import {names}.plugin_utils._fleetlock.server, {names}.action.reboot_lock, {names}.action.rollout_gate"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4] / ".collections")}
    done = os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", hidden + imports], environment)
    assert done == 0


def test_groups_are_read() -> None:
    assert server.read_group("a=2") == Group("a", 2)
    assert server.read_group("a=2@upgrade") == Group("a", 2, "upgrade")
    for wrong in ("a=", "=", "a=-1", "a=1@"):
        with pytest.raises(Refused):
            server.read_group(wrong)


def test_addresses_are_read() -> None:
    assert server.read_address("[::1]:80") == ("::1", 80)
    for wrong in (":80", "a:", "a:99999", "a"):
        with pytest.raises(Refused):
            server.read_address(wrong)
