# SPDX-License-Identifier: GPL-3.0-or-later
"""What a use case hands back to its action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .native import native
from .state import HostState


@dataclass(frozen=True)
class Outcome:
    """`changed` is the difference between two observations (in check mode: between one and its prediction).

    `why` is a sentence for people, also when there was nothing to do. `returns` are the module's own return values.
    `before` and `after` show in diff mode.
    """

    changed: bool
    why: str
    host_state: HostState | None = None
    returns: Mapping[str, object] = field(default_factory=dict)
    before: object = None
    after: object = None

    def result(self, diff: bool) -> dict[str, Any]:
        """Return the task's result, of native types."""
        shown: dict[str, Any] = {"changed": self.changed, "msg": self.why, **native(self.returns)}
        if self.host_state is not None:
            shown["host_state"] = native(self.host_state)
        if diff and self.before != self.after:
            shown["diff"] = {"before": yaml_text(self.before), "after": yaml_text(self.after)}
        return shown


def yaml_text(value: object) -> str:
    """Return `value` as the text of a diff: one `key: value` a line, nested keys joined by dots."""
    return "".join(f"{line}\n" for line in _lines("", native(value)))


def _lines(path: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _lines(f"{path}.{key}" if path else key, item)]
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return [line for index, item in enumerate(value) for line in _lines(f"{path}[{index}]", item)]
    shown = "null" if value is None else value
    return [f"{path}: {shown}" if path else str(shown)]
