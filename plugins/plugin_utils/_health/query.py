# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath over what a probe found. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

try:
    import jmespath
    import jmespath.exceptions
except ImportError:  # only who writes a query needs it
    jmespath = None

# How much of a value a message shows.
_SHOWN = 200


@dataclass(frozen=True)
class Query:
    """A JMESPath expression, compiled: a bad one is refused before any host is touched."""

    expression: str
    compiled: Any = field(repr=False, compare=False)

    @classmethod
    def read(cls, value: Any) -> Query:
        """Raises ValueError, as an option's reader does."""
        if not isinstance(value, str) or not value.strip():
            raise ValueError("must be a JMESPath expression")
        if jmespath is None:
            raise ValueError("needs the Python package jmespath on the controller")
        try:
            return cls(str(value), jmespath.compile(str(value)))
        except jmespath.exceptions.JMESPathError as exc:
            cause = " ".join(str(exc).partition("\n")[0].split())
            raise ValueError(f"is no valid JMESPath expression: {str(value)!r}: {cause}") from exc

    def search(self, data: object) -> Any:
        """Return the query's value in `data`. Raises ValueError where the expression does not fit it."""
        try:
            return self.compiled.search(data)
        except jmespath.exceptions.JMESPathError as exc:
            raise ValueError(" ".join(str(exc).partition("\n")[0].split())) from exc


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in JSON: true is not 1, 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def as_json(value: object) -> str:
    """Return `value` as JSON for a message, shortened."""
    words = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


def allowed(values: tuple[Any, ...]) -> str:
    """Return the allowed values in words: `"ok"`, `200 or 204`."""
    return " or ".join(as_json(value) for value in values)
