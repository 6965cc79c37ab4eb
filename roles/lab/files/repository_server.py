# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve a directory over HTTP on 127.0.0.1 from a process of its own.

``start`` and ``stop`` are idempotent and print one JSON object. The state directory holds ``server.json`` (who is
serving what) and the logs. A process is taken for ours only if its id, start time and command line all match.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ADDRESS = "127.0.0.1"
PATIENCE = 15.0


class Handler(http.server.SimpleHTTPRequestHandler):
    """Plain files; connections stay open, as ostree fetches hundreds of objects."""

    protocol_version = "HTTP/1.1"
    # Object files have no extension that says more.
    extensions_map = {"": "application/octet-stream"}  # noqa: RUF012


def run(directory: str, port: int) -> None:
    """Serve until killed."""
    handler = functools.partial(Handler, directory=directory)
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    with http.server.ThreadingHTTPServer((ADDRESS, port), handler) as server:
        server.serve_forever()


def start_time(pid: int) -> str | None:
    """When a process started, in ticks since the boot; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may contain anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def command_line(directory: str, port: int) -> list[str]:
    """How our server is started; also how it is recognised."""
    return [sys.executable, str(Path(__file__).resolve()), "run", f"--directory={directory}", f"--port={port}"]


def running(record: dict[str, object]) -> bool:
    """Whether the recorded process still is the one we started."""
    pid = record.get("pid")
    if not isinstance(pid, int) or start_time(pid) is None or start_time(pid) != record.get("started"):
        return False
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return [word.decode(errors="replace") for word in words[:-1]] == record.get("command")


def identity(directory: str) -> list[int]:
    """Tell a directory from another one that was put in its place."""
    status = Path(directory).stat()
    return [status.st_dev, status.st_ino]


def stop(record: dict[str, object]) -> bool:
    """End the recorded process; False if it was not running."""
    if not running(record):
        return False
    pid = int(str(record["pid"]))
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + PATIENCE / 3
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            # Its command line vanishes before its socket does: wait for the process itself.
            if start_time(pid) != record["started"]:
                return True
            time.sleep(0.05)
    raise SystemExit(f"the repository server, process {pid}, does not end")


def answers(port: int) -> bool:
    """Whether something listens on the port."""
    try:
        with socket.create_connection((ADDRESS, port), timeout=2):
            return True
    except OSError:
        return False


def launch(state: Path, directory: str, port: int) -> dict[str, object]:
    """Start the server and wait until it listens."""
    if answers(port):
        raise SystemExit(f"port {port} on {ADDRESS} is taken by a process that is not ours: set lab_repository_port")
    command = command_line(directory, port)
    with (state / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            close_fds=True,
        )
    record: dict[str, object] = {
        "pid": process.pid,
        "started": start_time(process.pid),
        "command": command,
        "directory": directory,
        "identity": identity(directory),
        "port": port,
        "url": f"http://{ADDRESS}:{port}/",
    }
    new = state / "server.json.new"
    new.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    new.replace(state / "server.json")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the repository server ended at once: see {state / 'server.log'}")
        if answers(port) and running(record):
            return record
        time.sleep(0.05)
    raise SystemExit(f"the repository server does not listen after {PATIENCE:.0f} seconds")


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """One caller at a time; the server itself does not inherit the lock."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="action", required=True)
    for action in ("run", "start", "stop"):
        command = commands.add_parser(action)
        if action != "stop":
            command.add_argument("--directory", required=True)
            command.add_argument("--port", type=int, required=True)
        if action != "run":
            command.add_argument("--state", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.action == "run":
        run(arguments.directory, arguments.port)
        return

    state = arguments.state.resolve()
    if arguments.action == "stop" and not state.exists():
        print(json.dumps({"changed": False}))
        return
    with locked(state):
        try:
            record = json.loads((state / "server.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = {}
        if arguments.action == "stop":
            print(json.dumps({"changed": stop(record)}))
            return
        directory = str(Path(arguments.directory).resolve())
        if not Path(directory).is_dir():
            raise SystemExit(f"there is no directory {directory}: build the lab first")
        if (
            running(record)
            and record["command"] == command_line(directory, arguments.port)
            and record["identity"] == identity(directory)
            and answers(arguments.port)
        ):
            print(json.dumps({"changed": False, **record}))
            return
        stop(record)
        print(json.dumps({"changed": True, **launch(state, directory, arguments.port)}))


if __name__ == "__main__":
    main()
