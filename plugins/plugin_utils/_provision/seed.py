# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is told at its first boot: who may log in, and with which host key it answers. Pure, but for the keys.

The controller makes the host key, so that it is known before the first contact: nothing is trusted on first use.
"""

from __future__ import annotations

import base64
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .._errors import FlotillaError


@dataclass(frozen=True)
class Seed:
    """`authorized_key` and `host_key` are texts of OpenSSH; `host_key` is the private key."""

    hostname: str
    user: str
    authorized_key: str
    host_key: str
    host_key_public: str


def credentials(seed: Seed) -> dict[str, str]:
    """Return the seed as systemd credentials (systemd.system-credentials(7)): name to text.

    systemd-sysusers makes the user, systemd-tmpfiles the files (`f~`: base64, and never over an existing file).
    """
    home = f"/var/home/{seed.user}"
    files = (
        (f"{home}/.ssh/authorized_keys", "0600", seed.user, seed.authorized_key),
        ("/etc/ssh/ssh_host_ed25519_key", "0600", "root", seed.host_key),
        ("/etc/ssh/ssh_host_ed25519_key.pub", "0644", "root", seed.host_key_public),
    )
    tmpfiles = [f"d {path} 0700 {seed.user} {seed.user} -" for path in (home, f"{home}/.ssh")]
    tmpfiles += [f"f~ {path} {mode} {owner} {owner} - {encoded(text)}" for path, mode, owner, text in files]
    return {
        "system.hostname": seed.hostname,
        "sysusers.extra": f'u {seed.user} 1000 "" {home} /bin/bash\nm {seed.user} sudo\n',
        "tmpfiles.extra": "\n".join(tmpfiles) + "\n",
    }


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def key_pair(path: Path, comment: str, make: bool) -> tuple[str, str]:
    """Return (private, public) ed25519 key at `path`; `make` it if there is none. Safe beside other processes.

    Raises FlotillaError when ssh-keygen fails.
    """
    if not path.exists():
        if not make:
            return "", "ssh-ed25519 (to be made)"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        for stale in (fresh, fresh.with_name(fresh.name + ".pub")):
            stale.unlink(missing_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(fresh)]
        made = subprocess.run(argv, capture_output=True, text=True, check=False)
        if made.returncode:
            raise FlotillaError(f"cannot make the key {path}: ssh-keygen: {made.stderr.strip()}")
        try:
            os.link(fresh, path)  # the first one wins; the public part follows from the private one
        except FileExistsError:
            pass
        finally:
            for temporary in (fresh, fresh.with_name(fresh.name + ".pub")):
                temporary.unlink(missing_ok=True)
    shown = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=False)
    if shown.returncode:
        raise FlotillaError(f"cannot read the key {path}: ssh-keygen: {shown.stderr.strip()}")
    return path.read_text(encoding="utf-8"), shown.stdout
