# SPDX-License-Identifier: GPL-3.0-or-later
"""How the options of probes are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._health import option


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (option.text, "a", "a"),
        (option.one_of("a", "b"), "b", "b"),
        (option.whole(1, 9), 3, 3),
        (option.whole(1, 9), "3", 3),  # a template made a text of it
        (option.number(0, 9), "2.5", 2.5),
        (option.number(0, 9), 2, 2),
        (option.boolean, "yes", True),
        (option.boolean, "False", False),
        (option.boolean, 0, False),
        (option.several(option.whole(1, 9)), 1, (1,)),
        (option.several(option.whole(1, 9)), ["1", 2, 1], (1, 2)),
        (option.arguments, ["a", 1, 2.5], ("a", "1", "2.5")),
        (option.texts_by_name, {"X-Key": 1}, {"X-Key": "1"}),
    ],
)
def test_read(read: Callable, value: object, expected: object) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (option.text, ""),
        (option.text, "a\0b"),
        (option.text, 1),
        (option.one_of("a", "b"), "c"),
        (option.one_of("a", "b"), ["a"]),
        (option.whole(1, 9), 0),
        (option.whole(1, 9), True),
        (option.whole(1, 9), 1.5),
        (option.whole(1, 9), "1.0"),
        (option.whole(1, 9), None),
        (option.number(0, 9), -1),
        (option.number(0, 9), "nan"),
        (option.number(0, 9), float("inf")),
        (option.number(0, 9), []),
        (option.boolean, "perhaps"),
        (option.boolean, None),
        (option.boolean, 2),
        (option.several(option.text), []),
        (option.arguments, "ls -l"),
        (option.arguments, []),
        (option.arguments, [["a"]]),
        (option.arguments, ["a", None]),
        (option.texts_by_name, "a: b"),
        (option.texts_by_name, {"a b": "c"}),
        (option.texts_by_name, {"a": "b\r\nc: d"}),
    ],
)
def test_refuse(read: Callable, value: object) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        read(value)


def test_a_refused_header_is_not_quoted() -> None:
    with pytest.raises(ValueError, match=r"^must have values without line breaks$"):
        option.texts_by_name({"Authorization": "s3cret\n"})
