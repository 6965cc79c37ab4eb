# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection to a Talos host: its API, by `talosctl` on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: talos
short_description: Drive a Talos host through its API
version_added: 0.1.0
description:
  - Talos has no shell and no SSH. The steps of this collection's modules run on the controller, and call C(talosctl)
    for one host. Nothing else can be run by this connection, neither other modules nor M(ansible.builtin.raw). It would
    run on the controller.
  - A host that does not answer is unreachable.
  - Rights are those of the talosconfig (role C(os:admin) to upgrade). C(become) has no meaning, and is passed over.
author:
  - The flotilla maintainers (@flotilla)
requirements:
  - talosctl on the controller; to upgrade, one that knows C(upgrade --no-reboot), as that of Talos 1.14 does
options:
  node:
    description: The host's own address, as its API knows it.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
      - name: ansible_talos_node
  endpoints:
    description: Through whom to speak to the host. Without it, those of the talosconfig; a list separated by commas.
    type: str
    ini:
      - {section: talos_connection, key: endpoints}
    env:
      - name: ANSIBLE_TALOS_ENDPOINTS
    vars:
      - name: ansible_talos_endpoints
  talosconfig:
    description: The file with the credentials. Without it, the one that C(talosctl) finds itself.
    type: path
    ini:
      - {section: talos_connection, key: talosconfig}
    env:
      - name: ANSIBLE_TALOS_CONFIG
      - name: TALOSCONFIG
    vars:
      - name: ansible_talos_config
  context:
    description: The context in the talosconfig. Without it, the one that is current there.
    type: str
    ini:
      - {section: talos_connection, key: context}
    env:
      - name: ANSIBLE_TALOS_CONTEXT
    vars:
      - name: ansible_talos_context
  executable:
    description: The program C(talosctl), by its path or its name.
    type: str
    default: talosctl
    ini:
      - {section: talos_connection, key: executable}
    env:
      - name: ANSIBLE_TALOSCTL
    vars:
      - name: ansible_talosctl
  timeout:
    description: How long to wait for the host's first answer, in seconds.
    type: int
    default: 15
    ini:
      - {section: talos_connection, key: timeout}
    env:
      - name: ANSIBLE_TALOS_TIMEOUT
    vars:
      - name: ansible_talos_timeout
notes:
  - The driver's shell has C(FLOTILLA_TALOSCTL), C(FLOTILLA_TALOS_NODE), C(FLOTILLA_TALOS_ENDPOINTS),
    C(FLOTILLA_TALOS_CONTEXT) and C(TALOSCONFIG) in its environment. No secret is on a command line or in a log.
"""

import os
import shutil
import signal
import subprocess
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

# The only command that is carried out: the programs of this collection, which come on its stdin (`_host.py`).
PROGRAM = "exec /bin/sh -s"
# The smallest question that a host in any state answers.
ASK = ("read", "/proc/sys/kernel/random/boot_id")


class Connection(ConnectionBase):  # type: ignore[misc]
    transport = "flotilla.container_os.talos"
    has_pipelining = True
    # What runs by this connection does not run on the host (`_action.py`).
    on_controller = True

    def set_become_plugin(self, plugin: Any) -> None:
        """Nobody can be become on a host without users; on the controller, nobody shall be."""

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if in_data is None or PROGRAM not in cmd:
            raise AnsibleError(
                f"cannot run this on {self.get_option('node')}: a Talos host has no shell; "
                "this connection is for the modules of flotilla.container_os"
            )
        self._ask()
        return self._run(["/bin/sh", "-s"], in_data, None)

    def put_file(self, in_path: str, out_path: str) -> None:
        raise AnsibleError(f"cannot copy {in_path} to {self.get_option('node')}: a Talos host takes no files")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        raise AnsibleError(f"cannot fetch {in_path} from {self.get_option('node')}: a Talos host gives no files")

    def close(self) -> None:
        self._connected = False

    def reset(self) -> None:
        self.close()

    def _ask(self) -> None:
        """Raise AnsibleConnectionFailure unless the host answers."""
        node, executable = self.get_option("node"), self.get_option("executable")
        if shutil.which(executable) is None:
            raise AnsibleError(f"cannot reach {node}: there is no program {executable} on the controller")
        argv = [executable, "--nodes", node]
        for option in ("endpoints", "context"):
            argv += [f"--{option}", self.get_option(option)] if self.get_option(option) else []
        try:
            rc, _answer, said = self._run([*argv, *ASK], None, self.get_option("timeout"))
        except subprocess.TimeoutExpired as exc:
            raise AnsibleConnectionFailure(f"no answer from {node} within {exc.timeout:.0f} s") from exc
        if rc:
            lines = said.decode(errors="replace").strip().splitlines()
            raise AnsibleConnectionFailure(
                f"cannot reach {node}: {lines[-1] if lines else f'talosctl exited with {rc}'}"
            )

    def _run(self, argv: list[str], data: bytes | None, timeout: float | None) -> tuple[int, bytes, bytes]:
        """Run a command in a session of its own; whatever ends the waiting ends all of it."""
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(data, timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, stdout, stderr

    def _environment(self) -> dict[str, str]:
        given = {
            "FLOTILLA_TALOSCTL": self.get_option("executable"),
            "FLOTILLA_TALOS_NODE": self.get_option("node"),
            "FLOTILLA_TALOS_ENDPOINTS": self.get_option("endpoints") or "",
            "FLOTILLA_TALOS_CONTEXT": self.get_option("context") or "",
        }
        config = self.get_option("talosconfig")
        return {**os.environ, **given, **({"TALOSCONFIG": config} if config else {})}
