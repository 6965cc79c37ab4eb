# SPDX-License-Identifier: GPL-3.0-or-later
"""The update server of simulated Flatcar hosts: it passes the exchanges that the real engine had with a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAMILY = ROOT / "tests/simhost/families/update_engine"
RECORDED = ROOT / "tests/unit/fixtures/update_engine/omaha"


def _answer(request: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin",
        "SIMHOST_LIB": str(ROOT / "tests/simhost/lib"),
        "SIMHOST_FAMILY": str(FAMILY),
        "SIMHOST_SERVER": str(FAMILY / "server.txt"),
    }
    argv = ["sh", str(FAMILY / "omaha.sh"), "engine"]
    done = subprocess.run(argv, input=request, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("request_updatecheck_first_after_boot", "response_update"),
        ("request_updatecheck_later", "response_update"),
        ("request_event_download_started", "response_event_ok"),
        ("request_event_download_finished", "response_event_ok"),
        ("request_event_update_complete", "response_event_ok"),
        ("request_event_error_34", "response_event_ok"),
        ("request_event_error_hash_mismatch", "response_event_ok"),
    ],
)
def test_recorded_exchange(request_: str, answer: str) -> None:
    assert _answer((RECORDED / f"{request_}.xml").read_text()) == (RECORDED / f"{answer}.xml").read_text()


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        ('version="4593.2.0"', 'version="4593.2.5"', "response_noupdate"),
        ('version="4593.2.0"', 'version="4593.10.0"', "response_noupdate"),
        ('track="stable"', 'track="nobody"', "response_error_internal"),
    ],
)
def test_what_it_offers_depends_on_who_asks(before: str, after: str, answer: str) -> None:
    request = (RECORDED / "request_updatecheck_later.xml").read_text()
    assert before in request
    assert _answer(request.replace(before, after)) == (RECORDED / f"{answer}.xml").read_text()
