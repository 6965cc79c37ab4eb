# SPDX-License-Identifier: GPL-3.0-or-later
"""A host together with the boot server that holds its images: two connections, seen as one host.

The boot server is a host of the inventory, reached as its own variables say, as with `delegate_to`. It is spoken to
only when a step is for it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import become_loader, connection_loader

from ._errors import FlotillaError, Refused, tail
from ._host import ConnectionHost
from ._model.host import BOOT_SERVER, Elsewhere, Result, Step, Unreachable
from ._model.shell import quote

# Variables of a host that say where its images are.
SETTINGS = ("flotilla_boot_server", "flotilla_boot_store", "flotilla_boot_name", "flotilla_boot_reset")
STORE = "/srv/flotilla"


class ServedHost:
    """A `Host`: steps that are for the boot server run there, all others on the host itself.

    `given`: the values of SETTINGS. `connect`: makes a `ConnectionHost` of the boot server's name. Raises Refused for
    settings that cannot be meant.
    """

    def __init__(
        self, host: ConnectionHost, connect: Callable[[str], ConnectionHost], given: Mapping[str, Any]
    ) -> None:
        self._host = host
        self._connect = connect
        self._server: ConnectionHost | None = None
        self.name = host.name
        self.say = host.say
        self.server_name = str(given["flotilla_boot_server"])
        store, word = str(given.get("flotilla_boot_store", STORE)), str(given.get("flotilla_boot_name", host.name))
        if not re.fullmatch(r"(/[\w.+-]+)+", store, re.ASCII):
            raise Refused(f"cannot use flotilla_boot_store of {host.name}: {store!r} is no plain absolute path")
        if not re.fullmatch(r"\w[\w.-]*", word, re.ASCII):
            raise Refused(f"cannot use flotilla_boot_name of {host.name}: {word!r} is no plain name")
        reset = str(given.get("flotilla_boot_reset") or "")
        preamble = f"FLOTILLA_STORE={store} FLOTILLA_HOST={word} FLOTILLA_RESET={quote(reset)}\n"
        self._there = Elsewhere(preamble, word)

    @property
    def round_trips(self) -> int:
        """How many there were, to both."""
        return self._host.round_trips + (self._server.round_trips if self._server else 0)

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        """Run `steps`: one round trip to each place, more only where a required step stands between two places.

        Raises AnsibleConnectionFailure (the host cannot be reached), FlotillaError (the boot server cannot be).
        """
        results = {step.name: Result(step.name, step.script, None) for step in steps}
        for place, part in parts(steps):
            results.update(self._ask_server(part, limit) if place else self._host.run(part, limit))
            if any(step.required and not results[step.name].ok for step in part):
                break
        return results

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        results = {step.name: Result(step.name, step.script, None) for step in steps}
        for place, part in parts(steps):
            try:
                answer = self._ask_server(part, limit) if place else self._host.attempt(part, limit)
            except FlotillaError as exc:  # the boot server is away: it is asked again, as a host would be
                answer = Unreachable(exc.message)
            if isinstance(answer, Unreachable):
                return answer
            results.update(answer)
            if any(step.required and not results[step.name].ok for step in part):
                break
        return results

    def _ask_server(self, steps: Sequence[Step], limit: float | None) -> dict[str, Result]:
        told = [Step(step.name, f"{self._there.preamble}{step.script}", step.required) for step in steps]
        asked = {step.name: step for step in steps}
        try:
            if self._server is None:
                self._server = self._connect(self.server_name)
            results = self._server.run(told, limit)
        except AnsibleError as exc:
            # Never taken for a host that is away.
            if self._server is not None:
                self._server.forget_connection()
            raise FlotillaError(
                f"cannot reach {self.server_name}, the boot server of {self.name}: {tail(str(exc), 1)}"
            ) from exc
        # As it was asked: an error quotes it, and shall not quote the command that resets the host.
        return {name: replace(result, script=asked[name].script) for name, result in results.items()}

    def elsewhere(self, place: str) -> Elsewhere:
        return self._there if place == BOOT_SERVER else self._host.elsewhere(place)

    def read(self, path: str) -> str | None:
        return self._host.read(path)

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        self._host.write(path, content, mode)

    def forget_connection(self) -> None:
        self._host.forget_connection()


def parts(steps: Sequence[Step]) -> list[tuple[str, list[Step]]]:
    """Return the steps by the places where they run, in as few parts as keep the order that required steps ask for.

    Up to the last required step the order is kept; what comes after it goes along with the part of its place, or makes
    one of its own, the host's first.
    """
    last = max((at for at, step in enumerate(steps) if step.required), default=-1)
    found: list[tuple[str, list[Step]]] = []
    for step in steps[: last + 1]:
        if not found or found[-1][0] != step.on:
            found.append((step.on, []))
        found[-1][1].append(step)
    for place in ("", BOOT_SERVER) if not found or not found[-1][0] else (BOOT_SERVER, ""):
        rest = [step for step in steps[last + 1 :] if step.on == place]
        if rest and found and found[-1][0] == place:
            found[-1][1].extend(rest)
        elif rest:
            found.append((place, rest))
    return found


def connected(action: Any, task_vars: Mapping[str, Any], server: str) -> ConnectionHost:
    """Return the boot server, reached as its own variables say; nothing is sent yet. Raises FlotillaError."""
    hosts = task_vars["hostvars"]
    if server not in hosts:
        raise FlotillaError(f"cannot reach the boot server: {server} is not in the inventory")
    variables = hosts[server]
    context = copy.copy(action._play_context)
    context.remote_addr = str(variables.get("ansible_host", server))
    kind = str(variables.get("ansible_connection", "ssh"))
    connection = connection_loader.get(kind, context, None)
    if connection is None:
        raise FlotillaError(f"cannot reach the boot server {server}: there is no connection plugin {kind}")
    # As Ansible does it for the host itself (TaskExecutor._set_connection_options): a task's own `timeout` and
    # `retries` mean the task, and would be taken for the connection's.
    task = {**action._task.dump_attrs(), "timeout": context.timeout}
    task.pop("retries", None)
    for secret in ("password", "become_pass"):
        if getattr(context, secret):
            task[secret] = getattr(context, secret)
    if boolean(variables.get("ansible_become", action._task.become) or False):
        become = become_loader.get(str(variables.get("ansible_become_method") or action._task.become_method or "sudo"))
        if become is None:
            raise FlotillaError(f"cannot become root on the boot server {server}: there is no such become plugin")
        become.set_options(task_keys=task, var_options=_options("become", become, variables))
        connection.set_become_plugin(become)
    connection.set_options(task_keys=task, var_options=_options("connection", connection, variables))
    # The same action, on another connection.
    there = copy.copy(action)
    there._connection, there._play_context = connection, context
    return ConnectionHost(there, server, lambda message: None)


def _options(kind: str, plugin: Any, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that a plugin reads, with their values."""
    names = constants.config.get_plugin_vars(kind, plugin._load_name)
    return {name: variables[name] for name in names if name in variables}
