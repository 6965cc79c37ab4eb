# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a probe: each is a dataclass field that knows how to read what the user wrote."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

# Reads a value as the user wrote it. Raises ValueError with what it must be, such as "must be a whole number".
Reader = Callable[[Any], Any]

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def option(read: Reader, about: str, **default: Any) -> Any:
    """Return a dataclass field for an option; without `default=` or `default_factory=` it is required."""
    return dataclasses.field(metadata={"read": read, "about": about}, **default)  # pylint: disable=invalid-field-call


def read_options(kind: type, given: Mapping[str, object]) -> tuple[dict[str, Any], list[str]]:
    """Return what `given` holds for the options of the dataclass `kind`, and what is wrong with it, in words.

    Unknown names are not this function's business. A value of None counts as not given.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in option_fields(kind):
        value = given.get(field.name)
        if value is None:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                problems.append(f"`{field.name}` is required")
            continue
        try:
            values[field.name] = field.metadata["read"](value)
        except ValueError as exc:
            problems.append(f"`{field.name}` {exc}")
    return values, problems


def option_fields(kind: type) -> list[dataclasses.Field[Any]]:
    """Return the fields of the dataclass `kind` that are options, in order."""
    return [field for field in dataclasses.fields(kind) if "read" in field.metadata]


def text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a text that is not empty")
    return str(value)


def matching(pattern: str, what: str, *, secret: bool = False) -> Reader:
    """A text that matches `pattern` as a whole; `what` says in words what that is.

    `secret`: a value that is refused may hold a password, and is not quoted.
    """
    compiled = re.compile(pattern)

    def read(value: Any) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError(f"must be {what}{'' if secret else f', not {value!r}'}")
        return str(value)

    return read


def one_of(*words: str) -> Reader:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {value!r}")
        return str(value)

    return read


def whole(low: int, high: int) -> Reader:
    """A whole number in a range. A text of digits is taken too: templates make texts of numbers."""

    def read(value: Any) -> int:
        digits = isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value)
        if isinstance(value, bool) or not (isinstance(value, int) or digits) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    return read


def number(low: float, high: float) -> Reader:
    """A number in a range, as text too."""

    def read(value: Any) -> float:
        try:
            found = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            found = math.nan
        if not low <= found <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value!r}")
        return int(found) if found.is_integer() else found

    return read


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return bool(value)
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ValueError(f"must be true or false, not {value!r}")


def several(read_one: Reader) -> Reader:
    """A list that is not empty; one value alone stands for a list of it."""

    def read(value: Any) -> tuple[Any, ...]:
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        if not items:
            raise ValueError("must not be an empty list")
        return tuple(dict.fromkeys(read_one(item) for item in items))

    return read


def absolute_path(value: Any) -> str:
    if "\n" in text(value) or not value.startswith("/"):
        raise ValueError(f"must be an absolute path, not {value!r}")
    return str(value)


def arguments(value: Any) -> tuple[str, ...]:
    """A command as a list: the program and its arguments."""
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("must be a list: the program and its arguments")
    if any(isinstance(item, (dict, list, bool)) or item is None or "\0" in str(item) for item in value):
        raise ValueError("must be a list of texts and numbers")
    return tuple(str(item) for item in value)


def texts_by_name(value: Any) -> Mapping[str, str]:
    """A dictionary of texts, such as HTTP headers; neither names nor values may hold a line break."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a dictionary of texts")
    pairs = {str(name): str(item) for name, item in value.items()}
    if any(not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in pairs):
        raise ValueError("must have names of letters, digits and hyphens")
    if any(re.search(r"[\r\n\0]", item) for item in pairs.values()):
        raise ValueError("must have values without line breaks")  # a value may be a secret: it is not quoted
    return pairs
