# SPDX-License-Identifier: GPL-3.0-or-later
"""Our values as native types: all that may leave an action is dict, list, str, int, float, bool, None."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any


def native(value: object) -> Any:
    """Return `value` built of native types only.

    Dataclasses become dicts in field order, enum members their value, sets sorted lists.
    Strings are copied into plain `str`: ansible-core 2.19 and later hand out tagged subclasses.

    Raises TypeError for a type that has no native form: a bug of ours, found at the boundary.
    """
    if isinstance(value, enum.Enum):
        return native(value.value)
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: native(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): native(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(native(item) for item in value)
    if isinstance(value, (list, tuple)):
        return [native(item) for item in value]
    raise TypeError(f"internal error: no native form for {type(value).__name__}")
