# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout: how far a rollout is, beside whatever else is printed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout
type: notification
short_description: Show how far a rollout is
version_added: 0.1.0
description:
  - Shows the waves of a rollout, its hosts in flight with their phases, the time that it takes and may still take.
  - On a terminal it is a live view below what Ansible prints, when C(rich) is installed on the controller. Elsewhere, as in AWX
    or in a log file, it is one line for each step of a host.
  - It only looks at the results of this run's tasks, and touches neither hosts nor ledger. Should it fail, it says so in one
    line, and the run goes on without it.
requirements:
  - enabled in C(callbacks_enabled), as C(flotilla.container_os.rollout)
  - rich (optional)
options:
  view:
    description:
      - V(auto) is live where it can be and plain elsewhere; V(plain) is always plain.
    type: str
    choices: [auto, plain]
    default: auto
    ini:
      - section: callback_flotilla_rollout
        key: view
    env:
      - name: FLOTILLA_ROLLOUT_VIEW
author:
  - The flotilla maintainers (@flotilla)
"""

import functools
from collections.abc import Callable
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import SystemClock
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.watch import Watch


def _harmless(hook: Callable[..., None]) -> Callable[..., None]:
    """A hook that breaks no run: what goes wrong in it is said once, in one line, and the view is off from there on."""

    @functools.wraps(hook)
    def guarded(self: CallbackModule, *arguments: Any, **named: Any) -> None:
        if self.broken:
            return
        try:
            hook(self, *arguments, **named)
        except Exception as exc:
            self.give_up(exc)

    return guarded


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "flotilla.container_os.rollout"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.broken = False
        self._watch: Watch | None = None

    @property
    def watch(self) -> Watch:
        if self._watch is None:
            self._watch = Watch(str(self.get_option("view")), SystemClock(), self._display.display)
        return self._watch

    def give_up(self, exc: Exception) -> None:
        self.broken = True
        try:
            self.watch.close()
        except Exception as second:
            exc = second
        cause = " ".join(f"{type(exc).__name__}: {exc}".split())
        self._display.warning(f"the view of the rollout is off: {cause}")

    @_harmless
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self.watch.begun(_action(task), str(host.get_name()))

    @_harmless
    def v2_runner_on_ok(self, result: Any) -> None:
        self._ended(result)

    @_harmless
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._ended(result, failed=True)

    @_harmless
    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._ended(result, unreachable=True)

    @_harmless
    def v2_playbook_on_stats(self, stats: Any) -> None:
        self.watch.close()

    def _ended(self, result: Any, failed: bool = False, unreachable: bool = False) -> None:
        task = _part(result, "task")
        # Newer versions of ansible-core keep the failure out of the result.
        told = {**_part(result, "result"), **({"failed": True} if failed else {})}
        self.watch.ended(_action(task), task.args, str(_part(result, "host").get_name()), told, unreachable)


def _part(result: Any, name: str) -> Any:
    """Return the host, task or result of a task's result: public since ansible-core 2.19, with an underscore before."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")


def _action(task: Any) -> str:
    return str(getattr(task, "resolved_action", None) or task.action)
