# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor of a machine, spoken over a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision import qmp

Answers = Callable[..., list[str]]
EVENT = {"event": "RESET", "data": {"guest": True}, "timestamp": {"seconds": 1, "microseconds": 2}}


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Answers]:
    """Have somebody answer on the socket: to each command an event and what is given; returns what was said."""
    heard: list[str] = []
    threads: list[threading.Thread] = []

    def answers(*replies: dict[str, Any]) -> list[str]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / qmp.SOCKET))
        listener.listen()

        def serve() -> None:
            with listener, listener.accept()[0] as channel, channel.makefile("rw") as stream:
                stream.write(json.dumps({"QMP": {}}) + "\n")
                stream.flush()
                for reply in ({"return": {}}, *replies):
                    heard.append(json.loads(stream.readline())["execute"])
                    stream.write(json.dumps(EVENT) + "\n" + json.dumps(reply) + "\n")
                    stream.flush()

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return heard

    yield answers
    for thread in threads:
        thread.join(10)


def test_answer_behind_events(monitor: Answers, tmp_path: Path) -> None:
    heard = monitor({"return": {"status": "running"}})
    assert qmp.say(tmp_path, {"execute": "query-status"}) == {"status": "running"}
    assert heard == ["qmp_capabilities", "query-status"]


def test_error_is_told(monitor: Answers, tmp_path: Path) -> None:
    monitor({"error": {"class": "GenericError", "desc": "no such thing"}})
    with pytest.raises(FlotillaError, match="cannot tell the machine stop: no such thing"):
        qmp.say(tmp_path, {"execute": "stop"})


def test_order_that_is_answered_has_failed(monitor: Answers, tmp_path: Path) -> None:
    monitor({"return": "Error: no snapshot x\r\n"})
    with pytest.raises(FlotillaError, match="cannot restore it: Error: no snapshot x"):
        qmp.order(tmp_path, "loadvm x", "restore it")


@pytest.mark.parametrize(("status", "failed"), [("internal-error", True), ("running", False), ("paused", False)])
def test_failed_hypervisor(monitor: Answers, tmp_path: Path, status: str, failed: bool) -> None:
    monitor({"return": {"status": status, "running": status == "running"}})
    assert qmp.has_failed(tmp_path) is failed


def test_nobody_there_is_no_failure_of_the_hypervisor(tmp_path: Path) -> None:
    assert not qmp.has_failed(tmp_path)
