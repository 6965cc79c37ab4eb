# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all actions: options in, one use case called, native types out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ._boot_server import SETTINGS, ServedHost, connected
from ._errors import FlotillaError, Refused
from ._host import ConnectionHost
from ._model.host import Host
from ._model.native import native


def validated(spec: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the types and defaults of an argument spec. Raises Refused with what is wrong."""
    checked = ArgumentSpecValidator(dict(spec)).validate(dict(values))
    if checked.error_messages:
        raise Refused("; ".join(checked.error_messages))
    return native(checked.validated_parameters)  # type: ignore[no-any-return]


class SystemClock:
    """The real `Clock`: seconds that never go back, and sleeping."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds)


class ControllerAction(ActionBase):  # type: ignore[misc]
    """An action that works on the controller alone. A subclass sets SPEC and writes `perform`."""

    # The argument spec, in Ansible's words. A test holds it against the docs twin.
    SPEC: ClassVar[Mapping[str, Any]] = {}
    MUTUALLY_EXCLUSIVE: ClassVar[tuple[tuple[str, ...], ...]] = ()
    REQUIRED_IF: ClassVar[tuple[tuple[Any, ...], ...]] = ()

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        # Connection errors are not caught: they make the host UNREACHABLE. Nor are our bugs: they show themselves.
        try:
            options = self._options()
            result.update(native(self.perform(options, task_vars or {})))
        except FlotillaError as exc:
            result.update(native(exc.details), failed=True, msg=exc.message)
        return result

    def _options(self) -> dict[str, Any]:
        if not self.SPEC:
            return {}
        _validation, options = self.validate_argument_spec(
            argument_spec=dict(self.SPEC),
            mutually_exclusive=[list(names) for names in self.MUTUALLY_EXCLUSIVE],
            required_if=[list(rule) for rule in self.REQUIRED_IF],
        )
        return native(options)  # type: ignore[no-any-return]

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> Mapping[str, Any]:
        """Call the use case and return what the task returns, `changed` included."""
        raise NotImplementedError

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    @property
    def diff_mode(self) -> bool:
        return bool(self._task.diff)

    @property
    def clock(self) -> SystemClock:
        return SystemClock()

    def say(self, message: str) -> None:
        """Show progress; worker processes hand it to the main one, which prints it whole."""
        self._display.display(message, color="bright blue")


class HostAction(ControllerAction):
    """An action that reads or changes the host of its task."""

    # Whether it works by a connection whose commands run on the controller: all that it does goes through a driver.
    BY_DRIVER: ClassVar[bool] = False

    _requires_connection = True

    @property
    def on_controller(self) -> bool:
        """Whether the connection runs commands on the controller, for a host that has no shell."""
        return bool(getattr(self._connection, "on_controller", False))

    def host(self, task_vars: Mapping[str, Any]) -> Host:
        """Return the host, with its boot server where it has one.

        Raises Refused where the action would look at the controller instead.
        """
        name = str(task_vars.get("inventory_hostname", self._task.delegate_to or "host"))
        if self.on_controller and not self.BY_DRIVER:
            raise Refused(
                f"cannot use {self._task.action} on {name}: it has no shell; this would look at the controller instead"
            )
        host = ConnectionHost(self, name, lambda message: self.say(f"{name}: {message}"))
        given = {key: self._templar.template(task_vars[key]) for key in SETTINGS if key in task_vars}
        if not given.get("flotilla_boot_server"):
            return host
        return ServedHost(host, lambda server: connected(self, task_vars, server), given)
