# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions over data."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._health import query
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.query import Query, allowed, as_json, same


def test_search() -> None:
    assert Query.read("failed[?starts_with(@, 'a')] | length(@)").search({"failed": ["a1", "b", "a2"]}) == 2


def test_a_query_that_does_not_fit_says_so() -> None:
    with pytest.raises(ValueError, match="length"):
        Query.read("length(status)").search({"status": 200})


@pytest.mark.parametrize("expression", ["", " ", "a[", "nosuch(", "a ||", None, 3])
def test_a_bad_expression_is_refused(expression: object) -> None:
    with pytest.raises(ValueError, match=r"^(must be a|is no valid) JMESPath expression"):
        Query.read(expression)


def test_without_jmespath_a_query_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "jmespath", None)
    with pytest.raises(ValueError, match="needs the Python package jmespath"):
        Query.read("a")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (1, True, False),
        (False, 0, False),
        (True, True, True),
        ("1", 1, False),
        (None, None, True),
        (None, False, False),
        ([1, [True]], [1, [1]], False),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": [1]}, {"a": [1]}, True),
    ],
)
def test_same(one: object, other: object, expected: bool) -> None:
    assert same(one, other) is expected
    assert same(other, one) is expected


def test_words() -> None:
    assert allowed(("ok", 200, None)) == '"ok" or 200 or null'
    assert len(as_json("x" * 1000)) < 250
