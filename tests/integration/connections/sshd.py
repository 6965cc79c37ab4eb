# SPDX-License-Identifier: GPL-3.0-or-later
"""A real sshd on loopback with users of its own, and real ansible-playbook runs against it.

sshd runs in a mount namespace: its /etc/passwd, its sudo rules and its /run are not those of the machine, and all of it
is gone with the process. As users: `u-SHELL`, each root with another login shell, and people who have to become root.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PASSWORD = "only for this test"
# Login shells of root-like users. `noisy` talks on start, on both outputs, the last line without an end.
SHELLS = {"bash": "/bin/bash", "dash": "/bin/dash", "csh": "/bin/tcsh", "fish": "/usr/bin/fish", "noisy": "noisy"}
NOISY = """#!/bin/sh
echo 'Welcome! flotilla-0 done'
echo 'no quota' >&2
printf 'last login: never '
exec /bin/sh "$@"
"""
# People, their login shell and their sudo rule; all have the same password.
PEOPLE = {
    "free": ("/bin/bash", "free ALL=(ALL) NOPASSWD: ALL"),
    "asked": ("/bin/tcsh", "asked ALL=(ALL) ALL"),
    "seated": ("/usr/bin/fish", "Defaults:seated requiretty\nseated ALL=(ALL) NOPASSWD: ALL"),
    "both": ("/bin/tcsh", "Defaults:both requiretty\nboth ALL=(ALL) ALL"),
    "none": ("/bin/sh", ""),
}
# How long (s) any playbook here may take, and sshd until it listens.
PATIENCE = 60
START_PATIENCE = 15

_NAMESPACE = """\
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
for name in passwd shadow group sudoers; do mount --bind "$1/etc/$name" "/etc/$name"; done
mount --bind "$1/bin" /usr/local/bin
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""


class Sshd:
    """A running server. `bin` is the host's /usr/local/bin: what is put there is found before the real tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        self.port = _free_port()
        self._write_accounts()
        self._write_config()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host_key.pub').read_text()}")
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _NAMESPACE, "sh", str(folder)]
        with (folder / "sshd.log").open("wb") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_until_it_listens()

    def _write_accounts(self) -> None:
        etc = self.folder / "etc"
        etc.mkdir()
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD.encode(), capture_output=True, check=True
        ).stdout.decode()
        for name in ("passwd", "shadow", "group"):
            shutil.copy(Path("/etc") / name, etc / name)
        noisy = self.bin / "noisy"
        noisy.write_text(NOISY)
        noisy.chmod(0o755)
        root_like = [
            (f"u-{name}", 0, shell if shell[0] == "/" else "/usr/local/bin/noisy") for name, shell in SHELLS.items()
        ]
        people = [(name, 61000 + number, PEOPLE[name][0]) for number, name in enumerate(PEOPLE)]
        with (etc / "passwd").open("a") as passwd, (etc / "shadow").open("a") as shadow:
            for user, uid, shell in root_like + people:
                home = self.folder / "home" / user
                home.mkdir(parents=True)
                os.chown(home, uid, uid)
                passwd.write(f"{user}:x:{uid}:{uid}::{home}:{shell}\n")
                shadow.write(f"{user}:{hashed.strip()}:20000:0:99999:7:::\n")
        # Root itself has a password too, for su.
        lines = (etc / "shadow").read_text().splitlines()
        lines = [f"root:{hashed.strip()}:20000:0:99999:7:::" if line.startswith("root:") else line for line in lines]
        (etc / "shadow").write_text("\n".join(lines) + "\n")
        (etc / "shadow").chmod(0o600)
        rules = "".join(f"{rule}\n" for _shell, rule in PEOPLE.values())
        (etc / "sudoers").write_text(f"root ALL=(ALL) ALL\n{rules}")
        (etc / "sudoers").chmod(0o440)

    def _write_config(self) -> None:
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        # German on all channels that a host has for it.
        german = "LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LC_MESSAGES=de_DE.UTF-8 LANGUAGE=de:ja"
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(self.folder / "de_DE.UTF-8")], check=True)
        (self.folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nPermitRootLogin yes\nUsePAM no\n"
            f"PasswordAuthentication no\nMaxStartups 100\nPidFile none\nSetEnv {german} LOCPATH={self.folder}\n"
        )

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError(f"sshd did not start: {(self.folder / 'sshd.log').read_text()}")

    def cut_connections(self) -> None:
        """Kill the processes that serve connections; what they started lives on."""
        for pid in _descendants(self._process.pid):
            if _command(pid).startswith("sshd"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.cut_connections()
        self._process.terminate()
        self._process.wait()


@dataclass(frozen=True)
class Played:
    """A playbook that ended. `results`: host to (status, result) of its last task; `round_trips`: commands by ssh."""

    rc: int
    output: str
    results: dict[str, tuple[str, dict[str, Any]]]
    round_trips: int


class Play:
    """One task on some hosts, in a directory of its own. `start` and `end`, or both as `run`."""

    def __init__(self, sshd: Sshd, folder: Path, task: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(HERE / "action_plugins", folder / "action_plugins", dirs_exist_ok=True)
        common = {
            "ansible_host": "127.0.0.1",
            "ansible_port": sshd.port,
            "ansible_ssh_private_key_file": str(sshd.folder / "user_key"),
            "ansible_ssh_executable": str(ROOT / "tests/bench/counting_ssh.sh"),
            "ansible_ssh_common_args": f"-F /dev/null -o UserKnownHostsFile={sshd.folder}/known_hosts "
            "-o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null",
            "ansible_connection": "ssh",
        }
        (folder / "inventory.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
        play = {"hosts": "all", "gather_facts": False, "tasks": [{"name": "Task", **task}]}
        (folder / "play.json").write_text(json.dumps([play]))
        (folder / "ansible.cfg").write_text("[defaults]\ninternal_poll_interval = 0.01\n")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(sshd.folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sshd.folder / "cp"),
            "ANSIBLE_FORKS": "20",
            "ANSIBLE_NOCOLOR": "1",
            "FLOTILLA_RECORD": str(folder / "results.jsonl"),
            "FLOTILLA_SSH_COUNT": str(folder / "ssh_count"),
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def start(self) -> subprocess.Popen[bytes]:
        for name in ("results.jsonl", "ssh_count"):
            (self.folder / name).write_text("")
        with (self.folder / "output").open("wb") as output:
            return subprocess.Popen(
                ["ansible-playbook", "-i", "inventory.json", "play.json"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def end(self, process: subprocess.Popen[bytes]) -> Played:
        try:
            rc = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill(process)
            rc = -1
        records = [json.loads(line) for line in (self.folder / "results.jsonl").read_text().splitlines()]
        return Played(
            rc,
            (self.folder / "output").read_text(),
            {record["host"]: (record["status"], record["result"]) for record in records},
            len((self.folder / "ssh_count").read_text().splitlines()),
        )

    def run(self) -> Played:
        return self.end(self.start())

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the controller and its workers at once, as a power cut does."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found
