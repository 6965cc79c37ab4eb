# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that touches a connection.

A program goes to the host as bytes on the stdin of `/bin/sh -s`: no pty, no temporary file, no limit on its size,
and no login shell that could misread it. Connection plugins without that (`has_pipelining` false) get it as an
argument.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ._errors import CannotParse, FlotillaError, tail
from ._model.host import Result, Step, Unreachable
from ._model.shell import frame, quote, write_file
from ._parsers.framed import parse_framed

# An exit code of our own for "there is no such file", apart from what cat says of files it may not read.
NO_SUCH_FILE = 44
# How long an attempt waits for a connection, and for a become prompt (s), when it is no surprise that the host does not
# answer.
ATTEMPT_TIMEOUT = 8


class ConnectionHost:
    """A `Host` behind an Ansible connection plugin, with whatever become method the play asks for."""

    def __init__(self, action: Any, name: str, say: Callable[[str], None]) -> None:
        self._action = action
        self._connection = action._connection
        self.name = name
        self.say = say
        self.round_trips = 0

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        """Run `steps` in one round trip.

        `limit` bounds the wait, in seconds; past it the host counts as unreachable.
        Raises AnsibleConnectionFailure (the host cannot be reached), FlotillaError (no usable answer).
        """
        marker = f"flotilla-{secrets.token_hex(8)}"
        program = frame(marker, [(step.name, step.script, step.required) for step in steps])
        self.round_trips += 1
        with _bounded(limit, self.name):
            answer = self._send(program)
        try:
            return parse_framed(marker, steps, f"\n{answer['stdout']}")
        except CannotParse as exc:
            said = tail(answer.get("stderr") or "") or tail(answer["stdout"], 3) or "nothing"
            raise FlotillaError(
                f"cannot run commands on {self.name}: {exc.message}; exit code {answer['rc']}, it printed: {said}"
            ) from exc

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        # A host that is away shall cost little patience each time: it is asked again.
        with contextlib.suppress(KeyError):
            self._connection.set_option("timeout", min(ATTEMPT_TIMEOUT, int(self._connection.get_option("timeout"))))
        try:
            return self.run(steps, limit)
        except AnsibleError as exc:
            # Not only AnsibleConnectionFailure: a host that is going down or coming up also lets the become prompt wait
            # (a bare AnsibleError up to ansible-core 2.18) or has no sudo yet.
            self.forget_connection()
            return Unreachable(tail(str(exc), 1))

    def _send(self, program: str) -> dict[str, Any]:
        run = self._action._low_level_execute_command
        if getattr(self._connection, "has_pipelining", False):
            return run("exec /bin/sh -s", in_data=program.encode(), executable="/bin/sh")  # type: ignore[no-any-return]
        return run(f"exec /bin/sh -c {quote(program)}", executable="/bin/sh")  # type: ignore[no-any-return]

    def read(self, path: str) -> str | None:
        step = Step("read", f"[ -e {quote(path)} ] || exit {NO_SUCH_FILE}; cat {quote(path)}")
        result = self.run([step])["read"]
        if result.rc == NO_SUCH_FILE:
            return None
        return result.proven(f"read {path} on {self.name}").stdout

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        result = self.run([Step("write", write_file(path, content, mode))])["write"]
        result.proven(f"write {path} on {self.name}")

    def forget_connection(self) -> None:
        """Drop what is kept open towards the host: after a reboot it leads nowhere."""
        with contextlib.suppress(Exception):
            self._connection.reset()


@contextlib.contextmanager
def _bounded(limit: float | None, name: str) -> Iterator[None]:
    """End a wait for an answer that may never come, such as that of a machine reset in the middle of it.

    A connection plugin has no such limit. Where the task has a `timeout:`, the alarm is taken and that one holds.
    """
    if limit is None or signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        yield
        return

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise AnsibleConnectionFailure(f"no answer from {name} within {limit:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
