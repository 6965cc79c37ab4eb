# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine without a disk that boots by PXE what its boot server has for it: QEMU, and this machine as boot server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from quiet_server import QuietServer

ROOT = Path(__file__).parents[3]
LAB = ROOT / ".cache/boot-image-test"
DRIVERS = ROOT / "plugins/plugin_utils/_drivers"
NAME, PORT = "live1", 22990
VERSIONS = ("1", "2", "3-no-network")
COMMAND_LINE = "console=ttyS0 panic=5 quiet"
# Patience (s), on a busy machine; a boot takes a quarter of a minute.
BOOT_TIME, PLAY_TIME = 180, 900


class Live:
    """The machine, its store and its channel."""

    def __init__(self) -> None:
        self.store = LAB / "store"
        self.console = LAB / "console.log"
        self.digests: dict[str, str] = {}
        self._server: QuietServer | None = None

    def set_up(self) -> None:
        LAB.mkdir(parents=True, exist_ok=True)
        self.stop()
        for name in ("store", "gnupg", "images"):
            subprocess.run(["rm", "-rf", str(LAB / name)], check=True)
        subprocess.run(["sh", str(ROOT / "tests/lab/boot_image/guest.sh"), str(LAB)], check=True, capture_output=True)
        self._gpg("--passphrase", "", "--quick-gen-key", "lab images <images@example.org>", "ed25519", "sign", "never")
        (LAB / "images.asc").write_bytes(self._gpg("--armor", "--export"))
        for at, version in enumerate(VERSIONS):
            self.digests[version] = self._publish(version, at)
        self._inventory()
        self._first("1")

    def _gpg(self, *words: str) -> bytes:
        home = LAB / "gnupg"
        home.mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run(["gpg", f"--homedir={home}", "--batch", "--yes", *words], capture_output=True, check=True)
        return done.stdout

    def _publish(self, version: str, built: int) -> str:
        """Write and sign the manifest of an image; return its digest."""
        folder = LAB / "images" / version
        sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("vmlinuz", "initrd.img")}
        manifest = folder / "manifest"
        manifest.write_text(
            f"version {version}\nbuilt {built}\ncmdline {COMMAND_LINE}\n"
            f"kernel {sums['vmlinuz']} vmlinuz\ninitrd {sums['initrd.img']} initrd.img\n"
        )
        self._gpg("--detach-sign", f"--output={manifest}.sig", str(manifest))
        return hashlib.sha256(manifest.read_bytes()).hexdigest()

    def _inventory(self) -> None:
        known = (LAB / "host_key").read_text().strip()
        (LAB / "known_hosts").write_text(f"[127.0.0.1]:{PORT} {known}\n")
        ssh = f"-o UserKnownHostsFile={LAB}/known_hosts -o StrictHostKeyChecking=yes -o ServerAliveInterval=4"
        reset = LAB / "reset"
        reset.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__)} reset\n")
        reset.chmod(0o755)
        host = {
            "ansible_host": "127.0.0.1",
            "ansible_port": PORT,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(LAB / "key"),
            "ansible_ssh_common_args": ssh,
            "flotilla_boot_server": "{{ 'boot' ~ '1' }}",
            "flotilla_boot_store": str(self.store),
            "flotilla_boot_reset": str(reset),
        }
        server = {"ansible_connection": "local"}
        inventory = {"all": {"children": {"fleet": {"hosts": {NAME: host}}, "servers": {"hosts": {"boot1": server}}}}}
        (LAB / "inventory.json").write_text(json.dumps(inventory))

    def _first(self, version: str) -> None:
        """Put the first set into the store and make it what the host boots, as docs/families/boot_image.md says."""
        own = self.store / "hosts" / NAME
        own.mkdir(parents=True)
        (own / "keys.asc").write_bytes((LAB / "images.asc").read_bytes())
        parts = [(DRIVERS / f"boot_image_{name}.sh").read_text() for name in ("store", "stage")]
        settings = f"FLOTILLA_STORE={self.store} FLOTILLA_HOST={NAME} FLOTILLA_RESET="
        digest = self.digests[version]
        call = f"stage {digest} file://{LAB}/images/{version} gpg 0 none && point current {digest}"
        subprocess.run(
            ["sh", "-s"], input="\n".join((settings, *parts, call)), text=True, check=True, capture_output=True
        )

    def start(self) -> None:
        self.console.unlink(missing_ok=True)
        # By HTTP, not TFTP: that is a round trip for each 1.4 KiB, minutes for an image on a busy machine.
        self._server = QuietServer(self.store)
        network = f"user,id=n0,bootfile=http://10.0.2.2:{self._server.port}/hosts/{NAME}/current/boot.ipxe"
        argv = ["qemu-system-x86_64", "-name", NAME, "-machine", "q35,sata=off,smbus=off,vmport=off,graphics=off"]
        argv += ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max,-svm,-la57", "-smp", "1", "-m", "256"]
        argv += ["-nodefaults", "-display", "none", "-no-user-config", "-serial", f"file:{self.console}"]
        argv += ["-netdev", f"{network},hostfwd=tcp:127.0.0.1:{PORT}-:22", "-device", "virtio-net-pci,netdev=n0"]
        argv += ["-device", "virtio-rng-pci", "-monitor", f"unix:{LAB}/monitor,server=on,wait=off"]
        argv += ["-pidfile", str(LAB / "pid"), "-daemonize"]
        subprocess.run(argv, check=True)
        self.wait_for_boots(1)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        try:
            pid = int((LAB / "pid").read_text())
            if f"{LAB}/monitor" in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            return

    def boots(self) -> list[str]:
        """Return the versions that have come up, in order, by what the machine's console says."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return re.findall(r"live-lab: version (\S+)", text)

    def wait_for_boots(self, count: int) -> None:
        began = time.monotonic()
        while len(self.boots()) < count:
            assert time.monotonic() - began < BOOT_TIME, self.console.read_text(errors="replace")[-3000:]
            time.sleep(0.3)

    def module(self, name: str, *arguments: str, **options: Any) -> dict[str, Any]:
        """Call one of our modules by a real ansible-playbook; return its result, also when it has failed."""
        result, play = LAB / "result.json", LAB / "play.json"
        result.unlink(missing_ok=True)
        call = {"name": name, f"flotilla.container_os.{name}": options, "register": "done", "ignore_errors": True}
        keep = {"content": "{{ done | to_json }}", "dest": str(result), "mode": "0600"}
        onto = {"delegate_to": "localhost", "check_mode": False}
        tasks = [call, {"name": "Keep the result", "ansible.builtin.copy": keep, **onto}]
        play.write_text(json.dumps([{"hosts": "fleet", "gather_facts": False, "tasks": tasks}]))
        done = subprocess.run(
            ["ansible-playbook", "-i", str(LAB / "inventory.json"), str(play), *arguments],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PLAY_TIME,
        )
        assert result.exists(), done.stdout + done.stderr
        return dict(json.loads(result.read_text()))

    def command_line(self) -> str:
        """Return the kernel command line of the machine, past Ansible: evidence of its own."""
        argv = ["ssh", "-i", str(LAB / "key"), "-p", str(PORT), "-o", f"UserKnownHostsFile={LAB}/known_hosts"]
        argv += ["-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=30", "root@127.0.0.1", "cat /proc/cmdline"]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=90).stdout


@contextmanager
def running() -> Iterator[Live]:
    live = Live()
    try:
        live.set_up()
        live.start()
        yield live
    finally:
        live.stop()
        subprocess.run(["gpgconf", f"--homedir={LAB}/gnupg", "--kill", "gpg-agent"], check=False)


def reset() -> None:
    """Reset the machine, as its boot server would by IPMI."""
    talk = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(4096); "
    talk += "s.sendall(b'system_reset\\n'); s.recv(4096)"
    subprocess.run([sys.executable, "-c", talk, str(LAB / "monitor")], check=True, timeout=20)


if __name__ == "__main__" and sys.argv[1:] == ["reset"]:
    reset()
