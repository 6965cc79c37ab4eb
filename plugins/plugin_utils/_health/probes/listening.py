# SPDX-License-Identifier: GPL-3.0-or-later
"""`listening`: ports that something on the host listens on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..._parsers.health_sockets import parse_listening
from ..option import one_of, option, several, whole
from ..probe_type import Data, Faults, ProbeType


@dataclass(frozen=True, kw_only=True)
class Listening(ProbeType):
    """Data: {protocol, listening: [PORT…], missing: [PORT…]}, on any address of the host."""

    TYPE: ClassVar[str] = "listening"

    ports: tuple[int, ...] = option(several(whole(1, 65535)), "Ports that must be listened on.")
    protocol: str = option(one_of("tcp", "udp"), "V(tcp) or V(udp).", default="tcp")

    def script(self) -> str:
        # 0A listening (TCP), 07 not connected (UDP); proc_net(5). There is no v6 file where IPv6 is off.
        state = "0A" if self.protocol == "tcp" else "07"
        name = f"/proc/net/{self.protocol}"
        pick = f"sed -n -e 1p -e '/ {state} /p'"
        return f"{pick} {name} || exit; [ ! -r {name}6 ] || {pick} {name}6"

    def read(self, result: Result) -> Data:
        ports = parse_listening(result.proven("read the host's sockets").stdout, self.protocol)
        return {
            "protocol": self.protocol,
            "listening": ports,
            "missing": [port for port in self.ports if port not in ports],
        }

    def expects(self, data: Data) -> Faults:
        return {f"port:{port}": f"nothing listens on {self.protocol} port {port}" for port in data["missing"]}

    def value(self, data: Data) -> object:
        return data["missing"]
