# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that touches a connection.

A program goes to the host as bytes on the stdin of `/bin/sh -s`: no pty, no temporary file, no limit on its size,
and no login shell that could misread it. It goes as an argument, in an alphabet that every login shell reads alike,
where stdin cannot be had: connection plugins without it (`has_pipelining` false), become methods that want a terminal
(su, and sudo with `requiretty`; ssh gives a terminal only to a command without stdin).
"""

from __future__ import annotations

import contextlib
import re
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ._errors import CannotParse, FlotillaError, Refused, tail
from ._model.host import Elsewhere, Result, Step, Unreachable
from ._model.shell import as_argument, frame, quote, write_file
from ._parsers.framed import parse_framed

# An exit code of our own for "there is no such file", apart from what cat says of files it may not read.
NO_SUCH_FILE = 44
# How long an attempt waits for a connection, and for a become prompt (s), when it is no surprise that the host does not
# answer.
ATTEMPT_TIMEOUT = 8
# The kernel takes no argument of more than 128 KiB; what is left is for the quoting by become methods.
ARGUMENT_LIMIT = 120_000
# ssh's options that ask for a terminal: what is sent to stdin would be typed on it, and cut at 4096 bytes a line.
WANTS_TERMINAL = re.compile(r"(?:^|\s)-t+(?:\s|$)|requesttty[=\s]+(?:yes|force)", re.IGNORECASE)


class ConnectionHost:
    """A `Host` behind an Ansible connection plugin, with whatever become method the play asks for."""

    def __init__(self, action: Any, name: str, say: Callable[[str], None]) -> None:
        self._action = action
        self._connection = action._connection
        self.name = name
        self.say = say
        self.round_trips = 0
        self._stdin = self._has_stdin()

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        """Run `steps` in one round trip; those for another place are not run here.

        `limit` bounds the wait, in seconds; past it the host counts as unreachable.
        Raises AnsibleConnectionFailure (the host cannot be reached), FlotillaError (no usable answer), Refused (a
        required step is for another place, and this host has none).
        """
        for step in steps:
            if step.on and step.required:
                self.elsewhere(step.on)
        here = [step for step in steps if not step.on]
        return {**{step.name: Result(step.name, step.script, None) for step in steps}, **self._run(here, limit)}

    def _run(self, steps: Sequence[Step], limit: float | None) -> dict[str, Result]:
        marker = f"flotilla-{secrets.token_hex(8)}"
        program = frame(marker, steps)
        with _bounded(limit, self.name):
            answer = self._send(program, marker)
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

    def _has_stdin(self) -> bool:
        """Whether a program can be sent to a command's stdin, as far as can be told before it is tried."""
        if not getattr(self._connection, "has_pipelining", False):
            return False
        become = getattr(self._connection, "become", None)
        if become and (getattr(become, "require_tty", False) or not getattr(become, "pipelining", True)):
            return False
        asked = []
        for option in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
            with contextlib.suppress(KeyError, AttributeError):
                asked.append(str(self._connection.get_option(option) or ""))
        return not any(map(WANTS_TERMINAL.search, asked))

    def _send(self, program: str, marker: str) -> dict[str, Any]:
        run = self._action._low_level_execute_command
        if self._stdin:
            self.round_trips += 1
            answer: dict[str, Any] = run("exec /bin/sh -s", in_data=program.encode(), executable="/bin/sh")
            if marker in answer["stdout"]:
                return answer
            # Not even the first frame: nothing of the program was run. A sudo that requires a terminal ends so, and a
            # start-up file that eats stdin. Both are cured by the other way, which this host is then spoken to.
            self._stdin = False
        self.round_trips += 1
        command = as_argument(program)
        if len(command) > ARGUMENT_LIMIT:
            raise FlotillaError(
                f"cannot run commands on {self.name}: {len(command)} bytes do not fit into an argument; "
                "use a connection plugin with pipelining, and a become method that needs no terminal"
            )
        return run(command, executable="/bin/sh")  # type: ignore[no-any-return]

    def read(self, path: str) -> str | None:
        step = Step("read", f"[ -e {quote(path)} ] || exit {NO_SUCH_FILE}; cat {quote(path)}")
        result = self.run([step])["read"]
        if result.rc == NO_SUCH_FILE:
            return None
        return result.proven(f"read {path} on {self.name}").stdout

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        result = self.run([Step("write", write_file(path, content, mode))])["write"]
        result.proven(f"write {path} on {self.name}")

    def elsewhere(self, place: str) -> Elsewhere:
        raise Refused(
            f"cannot do that on {self.name}: its images are on a {place.replace('_', ' ')}, and flotilla_{place} does "
            "not say which host that is"
        )

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
