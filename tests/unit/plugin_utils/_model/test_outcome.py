# SPDX-License-Identifier: GPL-3.0-or-later
"""What a use case hands back."""

from __future__ import annotations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.outcome import Outcome, yaml_text
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import HostState, Os


def test_result_of_native_types_with_its_diff() -> None:
    state = HostState("ostree", Os(id="lab"), "boot-0")
    outcome = Outcome(
        True, "done", state, {"boot": None}, before={"a": 1, "b": {"c": None}}, after={"a": 2, "b": {"c": None}}
    )
    result = outcome.result(diff=True)
    assert result["changed"] is True
    assert result["msg"] == "done"
    assert result["boot"] is None
    assert result["host_state"]["os"]["id"] == "lab"
    assert result["diff"] == {"before": "a: 1\nb.c: null\n", "after": "a: 2\nb.c: null\n"}


def test_no_diff_where_nothing_differs_or_nobody_asked() -> None:
    assert "diff" not in Outcome(False, "same", before={"a": 1}, after={"a": 1}).result(diff=True)
    assert "diff" not in Outcome(True, "done", before=1, after=2).result(diff=False)
    assert "host_state" not in Outcome(False, "same").result(diff=True)


def test_text_of_lists() -> None:
    assert yaml_text({"x": ["a", "b"], "y": [{"n": 1}, {"n": 2}]}) == "x: ['a', 'b']\ny[0].n: 1\ny[1].n: 2\n"
