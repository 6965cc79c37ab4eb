# SPDX-License-Identifier: GPL-3.0-or-later
"""The listening probe on the sockets of this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.listening import Listening


def test_tcp(run: Callable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        port, other = server.getsockname()[1], client.getsockname()[1]
        probe = Listening(ports=(port, other))
        data = probe.read(run(probe))
    assert port in data["listening"]
    assert data["missing"] == [other]  # connected, not listening
    assert probe.expects(data) == {f"port:{other}": f"nothing listens on tcp port {other}"}


def test_udp(run: Callable) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        probe = Listening(ports=(port,), protocol="udp")
        assert probe.expects(probe.read(run(probe))) == {}
    assert probe.expects(probe.read(run(probe))) == {f"port:{port}": f"nothing listens on udp port {port}"}
