# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools that fail: each fault has its text, the host stays what it was, and afterwards all goes on."""

from __future__ import annotations

import pytest
from family import Family
from suite import Told

pytestmark = pytest.mark.scenario("faults")
Tale = dict[str, Told]
# Those that no family may leave out, by the last word of the order.
KINDS = {"busy", "no_space", "signature", "network", "lies", "empty", "truncated"}


def _in_order(text: str, words: tuple[str, ...]) -> bool:
    at = 0
    for word in words:
        at = text.find(word, at)
        if at < 0:
            return False
    return True


@pytest.mark.proves("faults")
def test_each_fault_says_what_is_wrong(told: Tale, family: Family) -> None:
    wrong = []
    for fault in family.faults:
        seen = told[fault.name]
        if (seen.status == "ok") != fault.ok or not _in_order(seen.msg, fault.error) or "Traceback" in seen.msg:
            wrong.append(f"{fault.name}: {seen.status}: {seen.msg}")
    assert not wrong, "\n".join(wrong)


def test_a_fault_changes_nothing(told: Tale, family: Family) -> None:
    for fault in family.faults:
        seen = told[f"after: {fault.name}"].state
        assert seen["booted"]["digest"] == family.first["digest"], fault.name
        assert (seen["staged"] is None) == (not fault.ok or fault.module != "deployment"), fault.name
        assert seen["busy"] is None, fault.name


def test_afterwards_it_works(told: Tale, family: Family) -> None:
    staged = told["stage in the end"]
    assert (staged.status, staged.changed) == ("ok", True), staged.msg
    assert staged.state["staged"]["digest"] == family.offer["digest"]


def test_no_kind_is_left_out(family: Family) -> None:
    assert not KINDS - {fault.order[2] for fault in family.faults}
