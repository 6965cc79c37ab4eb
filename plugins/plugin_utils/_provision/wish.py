# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module `machine` as a wish, with the keys that it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._errors import Refused
from ._protocol import MachineWish
from .seed import Seed, key_pair


def machine_wish(options: Mapping[str, Any], directory: Path, check: bool) -> MachineWish:
    """Return the wish; the user's key and the machine's host key are made when there are none. Raises Refused."""
    name = str(options["name"])
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", name):
        raise Refused(f"cannot start machine {name!r}: that is no host name")
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", str(options["user"])):
        raise Refused(f"cannot start machine {name}: {options['user']!r} is no user name")
    if options["memory"] < 192 or options["cpus"] < 1:
        raise Refused(f"cannot start machine {name}: it needs at least 192 MiB of memory and one CPU")
    _private, authorized = key_pair(Path(options["user_key"]), options["user"], make=not check)
    host_key, host_key_public = key_pair(directory / "ssh_host_ed25519_key", name, make=not check)
    return MachineWish(
        name=name,
        directory=directory,
        image=Path(options["image"]),
        memory=options["memory"],
        cpus=options["cpus"],
        ssh_port=options["ssh_port"],
        acceleration=options["acceleration"],
        disposable=options["disposable"],
        seed=Seed(name, options["user"], authorized, host_key, host_key_public),
    )
