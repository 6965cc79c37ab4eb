# SPDX-License-Identifier: GPL-3.0-or-later
"""`container`: containers of podman or docker run, and are healthy where they have a health check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..._parsers.health_container import FORMAT, MISSING, parse_containers
from ..option import matching, one_of, option, several
from ..probe_type import NO_TOOL, PROBE_TIMEOUT, Data, Faults, ProbeType, answered, limited

_RUNTIMES = ("podman", "docker")


@dataclass(frozen=True, kw_only=True)
class Container(ProbeType):
    """Data: {runtime, containers: {NAME: {state, health, exit_code, restarts}}}; an absent one has state "absent"."""

    TYPE: ClassVar[str] = "container"

    names: tuple[str, ...] = option(
        several(matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "the name of a container")),
        "Containers that must run, and be healthy where they have a health check.",
    )
    runtime: str = option(
        one_of("auto", *_RUNTIMES), "V(auto) takes the first that is there: podman, docker.", default="auto"
    )

    def script(self) -> str:
        tools = _RUNTIMES if self.runtime == "auto" else (self.runtime,)
        return "\n".join(
            [
                *(
                    f"if command -v {tool} >/dev/null 2>&1; then echo {tool}; "
                    f"{limited(PROBE_TIMEOUT, tool, *self._inspect())}; exit; fi"
                    for tool in tools
                ),
                f"exit {NO_TOOL}",
            ]
        )

    def _inspect(self) -> tuple[str, ...]:
        return ("inspect", "--type", "container", "--format", FORMAT, *self.names)

    def read(self, result: Result) -> Data:
        runtime, _newline, listing = result.stdout.partition("\n")
        # Both exit with an error, and still show all others, when one of the containers does not exist.
        good = (0, 1, 125) if MISSING.search(result.stderr) else (0,)
        tool = runtime or ("podman or docker" if self.runtime == "auto" else self.runtime)
        answered(result, tool, PROBE_TIMEOUT, good)
        return {"runtime": runtime, "containers": parse_containers(listing, result.stderr, self.names)}

    def expects(self, data: Data) -> Faults:
        troubles = {name: _trouble(name, found) for name, found in data["containers"].items()}
        return {f"container:{name}": trouble for name, trouble in troubles.items() if trouble}

    def value(self, data: Data) -> object:
        return {name: found["state"] for name, found in data["containers"].items()}

    def restarted(self, before: Data, now: Data) -> Faults:
        return {
            f"container:{name}": f"{name} was restarted between two looks"
            for name, found in now["containers"].items()
            if (found["restarts"] or 0) > (before["containers"].get(name, {}).get("restarts") or 0)
        }


def _trouble(name: str, found: Data) -> str | None:
    if found["state"] == "absent":
        return f"{name} does not exist, expected running"
    if found["state"] != "running":
        code = "" if found["exit_code"] is None else f" (exit code {found['exit_code']})"
        return f"{name} is {found['state']}{code}, expected running"
    if found["health"] not in (None, "healthy"):
        return f"{name} is running but {found['health']}, expected healthy"
    return None
