# SPDX-License-Identifier: GPL-3.0-or-later
"""The tcp probe against a real socket, with each tool that can connect."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.tcp import Tcp

TOOLS = {
    "bash": (["bash", "timeout"], {}),
    "nc": (["busybox"], {"nc": 'exec busybox nc "$@"'}),
    "curl": (["curl"], {}),
}


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(params=TOOLS)
def ask(request: pytest.FixtureRequest, run_in: Callable, tools: Callable) -> Callable:
    names, stand_ins = TOOLS[request.param]
    path = tools(*names, "true", **stand_ins)

    def ask_it(**options: object) -> dict:
        probe = Tcp(**options)
        data = probe.read(run_in(probe, path))
        assert data["tool"] == request.param
        return data

    return ask_it


def test_open(ask: Callable, port: int) -> None:
    data = ask(port=port, timeout=1)
    assert (data["open"], data["error"]) == (True, None)
    assert Tcp(port=port).expects(data) == {}


def test_closed(ask: Callable) -> None:
    data = ask(port=1, timeout=1)
    assert data["open"] is False
    assert "refused" in data["error"].lower() or "connect" in data["error"].lower()
    assert Tcp(port=1).expects(data)["answer"].startswith("127.0.0.1 port 1 is not open: ")


def test_closed_on_ipv6(run: Callable) -> None:
    probe = Tcp(host="::1", port=1, timeout=1)
    assert probe.read(run(probe))["open"] is False


def test_without_a_tool_it_is_not_known(run_in: Callable, tools: Callable) -> None:
    with pytest.raises(FlotillaError, match="no bash with timeout, no nc and no curl"):
        Tcp(port=1).read(run_in(Tcp(port=1), tools("true")))


def test_nc_that_can_only_scan_is_asked_to_scan(run_in: Callable, tools: Callable) -> None:
    # stand-in: the help of OpenBSD's nc names -z; it notes how it is called
    path = tools(nc='case "$1" in --help) echo "usage: nc [-46zw]  -z Zero-I/O mode" >&2; exit 1;; esac; [ "$1" = -z ]')
    assert Tcp(port=9).read(run_in(Tcp(port=9), path)) == {
        "open": True,
        "host": "127.0.0.1",
        "tool": "nc",
        "error": None,
    }
