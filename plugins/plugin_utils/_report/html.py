# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as one page: nothing is loaded from anywhere, nothing runs in it, all that came from outside is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .._rollout.observed import Version
from .timeline import LENGTH, duration, kind, timeline

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

# The icon of a phase: its shape says it too, not its colour alone.
_ICONS = {"rolled_back": "back", "unreachable": "lost"}
_STATES = {"done": "good", "stopped": "bad", "open": "fly", "superseded": "wait"}


def html(document: Mapping[str, Any]) -> str:
    """Return the page of a report."""
    waves = [(number, list(hosts)) for number, hosts in groupby(document["hosts"], key=lambda one: one["wave"])]
    return _TEMPLATES.get_template("rollout.html.j2").render(
        document=document,
        rollout=document["rollout"],
        state_kind=_STATES.get(document["rollout"]["state"], "wait"),
        waves=waves,
        shares=_shares(document["summary"]),
        timeline=timeline(document),
        length=LENGTH,
        duration=duration,
        kind=kind,
        icon=lambda phase: _ICONS.get(phase, kind(phase)),
        words=lambda phase: str(phase).replace("_", " "),
        version=_version,
    )


def _version(value: Mapping[str, Any] | None) -> Version | None:
    return None if value is None else Version(value["digest"], value["name"])


def _shares(summary: Mapping[str, int]) -> list[tuple[str, str, int, float]]:
    """Return kind, label, hosts and percent of what the hosts that take part have come to; without what is empty."""
    named = (
        ("good", "confirmed", summary["confirmed"]),
        ("bad", "failed", summary["bad"]),
        ("fly", "in flight", summary["in_flight"]),
        ("wait", "not touched", summary["not_touched"]),
    )
    total = max(1, summary["hosts"])
    return [(shape, label, count, 100 * count / total) for shape, label, count in named if count]
