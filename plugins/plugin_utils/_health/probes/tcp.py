# SPDX-License-Identifier: GPL-3.0-or-later
"""`tcp`: something accepts connections on a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..._model.shell import quote
from ..option import matching, number, option, whole
from ..probe_type import (
    ANSWER,
    NO_TOOL,
    PROBE_TIMEOUT_MAX,
    Data,
    Faults,
    Outside,
    ProbeType,
    Unknown,
    limited,
    said,
)

# Patience with a connection (s): it stands at once or is refused at once, unless a firewall swallows it.
CONNECT_TIMEOUT = 5.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Tcp(ProbeType):
    """Data: {open, host, tool, error}. Nothing is sent."""

    TYPE: ClassVar[str] = "tcp"

    port: int = option(whole(1, 65535), "The port.")
    host: str | None = option(
        matching(r"[A-Za-z0-9_.:][A-Za-z0-9_.:%-]*", "a host name or an address"),
        "A host name or an address. Without it the host itself: its loopback, or its address from the controller.",
        default=None,
    )
    timeout: float = option(
        number(1, PROBE_TIMEOUT_MAX), "Patience with the connection, in seconds.", default=CONNECT_TIMEOUT
    )

    @property
    def patience(self) -> float:
        return self.timeout + 2

    def script(self) -> str:
        target = self.host or _LOOPBACK
        host, port, wait = quote(target), str(self.port), str(max(1, round(self.timeout)))
        address = f"[{target}]" if ":" in target else target
        connect = limited(self.timeout, "bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"', target, port)
        # Ordered by how soon each knows: curl's telnet stays until its time is over when the connection stands.
        return f"""\
if command -v bash >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1; then echo bash; {connect}
else
  _help=$(nc --help 2>&1 || nc -h 2>&1)
  case "$_help" in
  *-z*) echo nc; nc -z -w {wait} {host} {port};;
  *"-e PROG"*) echo nc; nc -w {wait} {host} {port} -e true;;
  *)
    case "$(curl -q -V 2>/dev/null)" in *telnet*) ;; *) exit {NO_TOOL};; esac
    echo curl
    _at=$(curl -q -sS -g --noproxy '*' -m {wait} -o /dev/null -w '%{{time_connect}}' {quote(f"telnet://{address}:{port}")})
    case "$_at" in *[1-9]*) exit 0;; *) exit 1;; esac;;
  esac
fi"""

    def read(self, result: Result) -> Data:
        tool = result.text
        if result.rc == NO_TOOL or not tool:
            raise Unknown("there is no bash with timeout, no nc and no curl with telnet on the host")
        error = None if result.rc == 0 else said(result.stderr) or f"no answer in {self.timeout:g} s"
        return _data(self.host or _LOOPBACK, tool, error)

    def look(self, outside: Outside, address: str) -> Data:
        target = self.host or address
        return _data(target, "python", outside.connect(target, self.port, self.timeout))

    def expects(self, data: Data) -> Faults:
        return {} if data["open"] else {ANSWER: f"{data['host']} port {self.port} is not open: {data['error']}"}

    def value(self, data: Data) -> object:
        return data["open"]


def _data(host: str, tool: str, error: str | None) -> Data:
    return {"open": error is None, "host": host, "tool": tool, "error": error}
