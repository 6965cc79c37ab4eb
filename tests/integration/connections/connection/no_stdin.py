# SPDX-License-Identifier: GPL-3.0-or-later
"""FOR TESTS ONLY: ssh as a connection plugin that cannot give a command its stdin, as some are."""

from __future__ import annotations

from typing import Any

from ansible.plugins.connection.ssh import DOCUMENTATION as OF_SSH
from ansible.plugins.connection.ssh import Connection as Ssh

DOCUMENTATION = OF_SSH.replace("name: ssh", "name: no_stdin", 1)


class Connection(Ssh):  # type: ignore[misc]
    transport = "ssh"
    has_pipelining = False

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        assert in_data is None
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
