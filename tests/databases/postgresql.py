# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL server in a directory of its own, for tests and benches. It listens on a socket in there only."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# How long (s) the server may take to start or to stop; it takes less than 1.
PATIENCE = 60
# It refuses to run as root: this is the user that Debian's package makes.
USER = "postgres"


def programs() -> Path:
    """Return where the server's programs are: Debian has them in a directory for each version, off the PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not found:
        raise FileNotFoundError("cannot find PostgreSQL: install the Debian package postgresql (tests/tools/setup.sh)")
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name)))


class Server:
    """A server with a new cluster. `durable`: it waits for the disk, as a real one does; tests need not."""

    def __init__(self, durable: bool = False) -> None:
        # Short, as the path of a socket must be, and where the server's user may go.
        self.folder = Path(tempfile.mkdtemp(prefix="flotilla-pg-"))
        self._durable = durable
        self._count = 0
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        try:
            self._run("initdb", "--no-sync", "--auth=trust", "--username=flotilla", "--encoding=UTF8", "--locale=C")
            self.start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def start(self) -> None:
        fsync = "on" if self._durable else "off"
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync={fsync}"
        log = f"--log={self.folder}/log"
        self._run("pg_ctl", "start", "--wait", f"--timeout={PATIENCE}", log, f"--options={options}")

    def stop(self) -> None:
        """Stop it; whoever is connected loses the connection."""
        self._run("pg_ctl", "stop", "--wait", f"--timeout={PATIENCE}", "--mode=fast")

    def remove(self) -> None:
        """Stop it if it runs, and leave nothing behind."""
        try:
            if (self.folder / "data/postmaster.pid").exists():
                self.stop()
        finally:
            shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """Make an empty database; return its URL."""
        self._count += 1
        name = f"ledger_{self._count}"
        self._run("createdb", f"--host={self.folder}", "--username=flotilla", "--maintenance-db=postgres", name)
        return f"postgresql+psycopg://flotilla@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        errors = self.folder / "errors"
        # Not a pipe: the server keeps what it was started with.
        with errors.open("w") as stderr:
            done = subprocess.run(
                [programs() / program, *arguments],
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGDATA": f"{self.folder}/data"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                check=False,
                timeout=2 * PATIENCE,
                **self._as,
            )
        if done.returncode:
            raise RuntimeError(f"{program} exited with {done.returncode}: {errors.read_text()}")
