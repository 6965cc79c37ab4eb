# SPDX-License-Identifier: GPL-3.0-or-later
"""Only native types leave an action."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase


class Tagged(str):
    """As ansible-core 2.19 and later tag strings."""


@dataclass(frozen=True)
class Inner:
    phase: Phase
    names: frozenset[str]


def test_everything_becomes_native() -> None:
    value = {"a": Inner(Phase.BOOTED, frozenset({"y", "x"})), Tagged("b"): (Tagged("t"), 1, None, True, 1.5)}
    found = native(value)
    assert found == {"a": {"phase": "booted", "names": ["x", "y"]}, "b": ["t", 1, None, True, 1.5]}
    strings = [found["b"][0], found["a"]["phase"], *found]
    assert {kind.__class__ for kind in strings} == {str}
    assert found["b"][3] is True


@pytest.mark.parametrize("value", [Path("x"), object(), Inner])
def test_what_has_no_native_form_is_our_bug(value: object) -> None:
    with pytest.raises(TypeError, match="internal error: no native form"):
        native({"a": [value]})
