# SPDX-License-Identifier: GPL-3.0-or-later
"""What `podman inspect` and `docker inspect` say of containers (podman 3 to 5, docker 20 to 28). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .._errors import CannotParse

# The state as a whole: its fields differ between versions (podman 3 has Healthcheck, later Health), and a template that
# names one which is missing fails.
FORMAT = "{{json .Name}} {{.RestartCount}} {{json .State}}"
# What both print on stderr for a container that does not exist.
MISSING = re.compile(r"no such (?:container|object):? \"?(?P<name>[A-Za-z0-9_.-]+)", re.IGNORECASE)

# States in which a process has ended, so that its exit code says something.
_ENDED = frozenset({"exited", "stopped", "dead"})


def parse_containers(text: str, stderr: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return {name: {state, health, exit_code, restarts}} for all `names`, from lines in FORMAT.

    Raises CannotParse, also when a container is neither shown nor said not to exist.
    """
    shown = dict(_container(line) for line in text.splitlines() if line.strip())
    absent = {found["name"].rstrip(".") for found in MISSING.finditer(stderr)}
    containers = {}
    for name in names:
        if name in shown:
            containers[name] = shown[name]
        elif name in absent:
            containers[name] = {"state": "absent", "health": None, "exit_code": None, "restarts": None}
        else:
            raise CannotParse("`inspect` of containers", f"it says nothing of {name}")
    return containers


def _container(line: str) -> tuple[str, dict[str, Any]]:
    try:
        name, restarts, state = line.split(" ", 2)
        words = json.loads(state)
        found = {
            "state": str(words["Status"]).lower(),
            "health": _health(words),
            "exit_code": int(words["ExitCode"]) if str(words["Status"]).lower() in _ENDED else None,
            "restarts": int(restarts) if restarts.isdigit() else None,
        }
        return str(json.loads(name)).lstrip("/"), found
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CannotParse("`inspect` of a container", type(exc).__name__, line) from exc


def _health(words: dict[str, Any]) -> str | None:
    """Return starting, healthy or unhealthy; None where there is no health check (docker: none or nothing)."""
    health = words.get("Health") or words.get("Healthcheck") or {}
    status = str(health.get("Status") or "none").lower()
    return None if status == "none" else status
