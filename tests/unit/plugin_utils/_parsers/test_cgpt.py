# SPDX-License-Identifier: GPL-3.0-or-later
"""The partition table as cgpt prints it: every recorded one, and thousands that are damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.cgpt import Slot, parse_slots, preferred

RECORDED = Path(__file__).parents[2] / "fixtures/update_engine"
CASES: dict[str, dict[str, Any]] = json.loads((RECORDED / "cases.json").read_text())["cgpt"]
MUTATIONS = 10_000
# A slot as it stands in the text, read by other means than the parser's.
_SHOWN = re.compile(
    r'Label: "(USR-[AB])"\n(?: +(?:Type|UUID): .*\n)*? +Attr: priority=(\d+) tries=(\d+) successful=(\d+)\n'
)


def _read(name: str) -> str:
    return (RECORDED / "cgpt" / name).read_text()


def test_every_recorded_table_has_a_case() -> None:
    assert {path.name for path in (RECORDED / "cgpt").iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_recorded_table(name: str) -> None:
    case = dict(CASES[name])
    first = case.pop("first")
    slots = parse_slots(_read(name))
    assert slots == {label: Slot(label, *counts[:3], bool(counts[3])) for label, counts in case.items()}
    assert preferred(slots).label == first


def test_damaged_table_is_read_as_it_stands_or_refused() -> None:
    read = 0
    for name in CASES:
        for text in mutations(_read(name), seed=len(name), count=MUTATIONS // len(CASES) + 1):
            try:
                slots = parse_slots(text)
            except CannotParse as exc:
                assert str(exc).startswith("cannot parse the output of `cgpt show`: ")
                continue
            read += 1
            shown = {label: (int(one), int(two), bool(int(three))) for label, one, two, three in _SHOWN.findall(text)}
            assert {label: (slot.priority, slot.tries, slot.successful) for label, slot in slots.items()} == shown
    assert read


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ("1          Sec GPT header", "INVALID  Sec GPT header", "damaged"),
        ('Label: "USR-A"', 'Label: "USR-B"', "two partitions are called USR-B"),
        ("tries=1", "tries=16", "impossible"),
        ("successful=1", "successful=2", "impossible"),
        ("Attr: priority=2", "Attr: Legacy BIOS Bootable, priority=2", "no priority"),
        ("Type: EFI", "Sort: EFI", "unknown line"),
    ],
)
def test_what_is_refused(before: str, after: str, cause: str) -> None:
    text = _read("show_staged_on_b.stdout")
    assert before in text
    with pytest.raises(CannotParse, match=cause):
        parse_slots(text.replace(before, after, 1))


def test_table_that_ends_early_is_refused() -> None:
    text = _read("show_staged_on_b.stdout")
    for end in range(text.index("USR-A"), len(text) - 1):
        with pytest.raises(CannotParse):
            parse_slots(text[:end])


def test_order() -> None:
    a, b = Slot("USR-A", 3, 2, 0, True), Slot("USR-B", 4, 2, 1, False)
    assert preferred({"USR-B": b, "USR-A": a}) == a
    spent = Slot("USR-B", 4, 3, 0, False)
    assert preferred({"USR-A": a, "USR-B": spent}) == spent
    assert (a.bootable, b.bootable, spent.bootable) == (True, True, False)
