# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes that look at the host from the controller. The only file of this package that reaches out of the process."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from .._errors import FlotillaError
from .._model.host import Result
from .._parsers.health_http import FETCHED, Answer
from .probe_type import TIMED_OUT, Data, LooksFromController, Unknown
from .request import Probe

# How many probes of one host look at the same time; a play multiplies that by its forks.
PARALLEL = 8
# What a probe may take beyond its own patience (s), for a name server that does not answer.
_GRACE = 5.0
# How long the output of a command is waited for after it was ended (s).
_LAST_WORDS = 1.0
# What a URL may hold as it is; anything else is sent in percent-encoding.
_IN_A_URL = "%/:=&?~+!$,;'@()*[]|"


def look(probes: Sequence[Probe], address: str) -> tuple[Data | FlotillaError, ...]:
    """Return what each of `probes` finds of the host at `address`, or why that is not known."""
    found: list[Data | FlotillaError] = []
    for start in range(0, len(probes), PARALLEL):
        found += _side_by_side(probes[start : start + PARALLEL], address)
    return tuple(found)


def _side_by_side(probes: Sequence[Probe], address: str) -> list[Data | FlotillaError]:
    found: list[Data | FlotillaError] = [Unknown("the controller had no answer in time") for _probe in probes]
    failed: list[BaseException] = []

    def one(index: int, kind: LooksFromController) -> None:
        try:
            found[index] = kind.look(Controller(), address)
        except FlotillaError as exc:
            found[index] = exc
        except BaseException as exc:  # our own bug: it must show where somebody sees it
            failed.append(exc)

    began = time.monotonic()
    threads = []
    for index, probe in enumerate(probes):
        if isinstance(probe.kind, LooksFromController):
            # Daemons: a thread that hangs in a name server must not keep the process from ending.
            threads.append((threading.Thread(target=one, args=(index, probe.kind), daemon=True), probe.kind.patience))
            threads[-1][0].start()
    for thread, patience in threads:
        thread.join(max(0.0, began + patience + _GRACE - time.monotonic()))
    if failed:
        raise failed[0]
    return list(found)  # a thread that is late must not change it any more


class Controller:
    """`Outside`, for real, with the standard library alone."""

    def get(self, url: str, headers: Mapping[str, str], timeout: float, validate_certs: bool) -> Answer:
        deadline = time.monotonic() + timeout
        status, body, error = None, b"", None
        late = threading.Event()
        connection: http.client.HTTPConnection | None = None
        try:
            connection, target = _connection(url, timeout, validate_certs)
            connection.connect()
            with _ended_at(deadline, connection.sock, late):
                connection.request("GET", target, headers={name: value.encode() for name, value in headers.items()})
                response = connection.getresponse()
                status = response.status
                body = response.read(FETCHED)
                if len(body) < FETCHED and response.length:
                    error = f"{response.length} bytes are missing"
        except (OSError, http.client.HTTPException, ValueError) as exc:
            error = _cause(exc, timeout)
        finally:
            if connection is not None:
                connection.close()
        if late.is_set():
            error = f"no answer within {timeout:g} s"
        return Answer(status, body.decode("utf-8", "surrogateescape"), error)

    def connect(self, host: str, port: int, timeout: float) -> str | None:
        try:
            socket.create_connection((host, port), timeout).close()
        except (OSError, ValueError) as exc:
            return _cause(exc, timeout)
        return None

    def run(self, argv: tuple[str, ...], timeout: float) -> Result:
        name, script = "controller", " ".join(argv)
        try:
            # A group of its own: what the command started ends with it.
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as exc:
            return Result(name, script, 127, "", f"{argv[0]}: {exc.strerror}")
        try:
            output, said = process.communicate(timeout=timeout)
            rc = process.returncode if process.returncode >= 0 else 128 - process.returncode
        except subprocess.TimeoutExpired:
            output, said = _ended(process)
            rc = min(TIMED_OUT)
        return Result(name, script, rc, *(words.decode("utf-8", "surrogateescape") for words in (output, said)))


def _connection(url: str, timeout: float, validate_certs: bool) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection that is not made yet, and what to ask for on it. Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    target = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=_IN_A_URL)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout), target
    context = ssl.create_default_context()
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context), target


@contextlib.contextmanager
def _ended_at(deadline: float, sock: socket.socket, late: threading.Event) -> Any:
    """End a conversation at `deadline`: a socket's own timeout begins again with every byte."""

    def end() -> None:
        late.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _ended(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Kill a command and all that it started; return what it had printed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=_LAST_WORDS)
    except subprocess.TimeoutExpired as exc:  # something that left the group holds on to the pipes
        return exc.stdout or b"", exc.stderr or b""


def _cause(exc: Exception, timeout: float) -> str:
    if isinstance(exc, TimeoutError):
        return f"no answer in {timeout:g} s"
    words = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return " ".join(str(words).split())
