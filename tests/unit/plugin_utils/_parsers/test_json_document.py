# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that a tool prints, read strictly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.json_document import (
    Node,
    loaded,
    loaded_all,
)

NODE = Node.of("it", {"a": {"b": "c", "n": 1, "yes": True, "list": ["x"], "mixed": ["x", 1]}, "nothing": None})


def test_members_are_what_they_are() -> None:
    inner = NODE.into("a")
    assert (inner.get("b", str), inner.get("n", int), inner.get("yes", bool)) == ("c", 1, True)
    assert inner.texts("list") == ("x",)
    assert (NODE.maybe("nothing", str), NODE.maybe("absent", str), NODE.maybe_into("nothing")) == (None, None, None)


@pytest.mark.parametrize(
    ("ask", "cause"),
    [
        (lambda: NODE.get("absent", str), "absent is missing"),
        (lambda: NODE.into("a").get("b", int), "a.b is no number"),
        (lambda: NODE.into("a").get("yes", int), "a.yes is no number"),
        (lambda: NODE.into("a").get("n", str), "a.n is no text"),
        (lambda: NODE.into("a").into("b"), "a.b is no object"),
        (lambda: NODE.into("a").texts("mixed"), "a.mixed is no list of texts"),
        (lambda: Node.of("it", []), "it is no object"),
        (lambda: loaded("it", " \n"), "it is empty"),
        (lambda: loaded("it", '{"a": 1, "a": 2}'), "not JSON: a key is there twice"),
        (lambda: loaded("it", '{"a": NaN}'), "not JSON: NaN is no number"),
        (lambda: loaded("it", "[" * 100_000), "not JSON"),
        (lambda: loaded_all("it", ""), "it is empty"),
        (lambda: loaded_all("it", '{"a": 1} {'), "not JSON"),
    ],
)
def test_what_is_refused(ask: Callable[[], object], cause: str) -> None:
    with pytest.raises(CannotParse, match=f"cannot parse it: {cause}"):
        ask()


def test_documents_one_after_the_other() -> None:
    assert loaded_all("it", '{"a": 1}\n{"a": 2} {"b": 3}\n') == [{"a": 1}, {"a": 2}, {"b": 3}]
