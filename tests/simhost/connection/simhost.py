# SPDX-License-Identifier: GPL-3.0-or-later
"""FOR TESTS ONLY: the connection to a simulated host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from simhost import Machine, SimhostError

DOCUMENTATION = """
name: simhost
short_description: Run commands on a simulated host
description:
  - Enters the namespaces of a host that C(tests/simhost) made. A host that is down, or goes down in the middle of a
    command, is unreachable.
options:
  machine:
    description: The folder of the host.
    required: true
    vars:
      - name: simhost_machine
"""


class Connection(ConnectionBase):  # type: ignore[misc]
    transport = "simhost"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._run(["/bin/sh", "-c", cmd], in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        self._run(["/bin/sh", "-c", 'cat >"$1"', "sh", out_path], Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        _rc, content, _said = self._run(["/bin/cat", in_path], None)
        Path(out_path).write_bytes(content)

    def close(self) -> None:
        self._connected = False

    def reset(self) -> None:
        self.close()

    def _run(self, command: list[str], data: bytes | None) -> tuple[int, bytes, bytes]:
        machine = Machine(Path(self.get_option("machine")))
        machine.count_round_trip()
        try:
            argv = machine.argv(*command)
        except SimhostError as exc:
            raise AnsibleConnectionFailure(str(exc)) from exc
        feed: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(argv, capture_output=True, check=False, **feed)
        # Killed, because its init is gone, and with it everything on the host; or too late to get in.
        if done.returncode < 0 or machine.pid is None or done.stderr.startswith(b"nsenter: "):
            raise AnsibleConnectionFailure(f"connection to {machine.folder.name} closed by remote host")
        return done.returncode, done.stdout, done.stderr
