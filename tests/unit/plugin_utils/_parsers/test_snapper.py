# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of snapshots: every recorded one, and thousands that are damaged."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.snapper import Snapshot, parse_snapshots

RECORDED = Path(__file__).parents[2] / "fixtures/transactional_update"
CASES: dict[str, dict[str, list[Any]]] = json.loads((RECORDED / "cases.json").read_text())
MUTATIONS = 10_000


def _read(name: str) -> str:
    return (RECORDED / "snapper" / name).read_text()


def test_every_recorded_list_has_a_case() -> None:
    assert {path.name for path in (RECORDED / "snapper").glob("list-*.stdout")} - set(CASES) == {
        "list-after-default.stdout"
    }


@pytest.mark.parametrize("name", CASES)
def test_recorded_list(name: str) -> None:
    wanted = tuple(Snapshot(int(number), *words) for number, words in CASES[name].items())
    assert parse_snapshots(_read(name)) == wanted


@pytest.mark.parametrize("name", ["list.stdout", "list-after-default.stdout", "list-noconfig.stderr"])
def test_what_is_for_people_is_not_read(name: str) -> None:
    with pytest.raises(CannotParse, match="cannot parse the output of `snapper list`"):
        parse_snapshots(_read(name))


def _shown(text: str) -> list[tuple[Any, ...]]:
    """What a list says, read without any of our code: number, default, active and description of each."""
    titles = ("number", "default", "active", "description")
    if text.lstrip().startswith("{"):
        return [tuple(row.get(title) for title in titles) for row in json.loads(text)["root"]]
    word = {"yes": True, "no": False}
    rows = csv.DictReader(io.StringIO(text))
    return [
        (int(row["number"]), word.get(row.get("default", "")), word.get(row.get("active", "")), row.get("description"))
        for row in rows
    ]


@pytest.mark.parametrize("name", CASES)
def test_damaged_list_is_read_as_it_stands_or_refused(name: str) -> None:
    read = 0
    for text in mutations(_read(name), seed=len(name), count=MUTATIONS // len(CASES) + 1):
        try:
            found = parse_snapshots(text)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse the output of `snapper list`: ")
            continue
        read += 1
        shown = [row for row in _shown(text) if row[0] != 0]
        assert [(one.number, one.default, one.active) for one in found] == [row[:3] for row in shown]
        for one, row in zip(found, shown, strict=True):
            assert one.base is None or row[3] == f"Snapshot Update of #{one.base}"
    assert read


def _row(number: int, **words: object) -> dict[str, object]:
    return {"number": number, "default": False, "active": False, "description": "", "userdata": None, **words}


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([], "number 0 is not in it"),
        ([_row(1)], "number 0 is not in it"),
        ([_row(0), _row(1), _row(1)], "two snapshots have the number 1"),
        ([_row(0), _row(1, default=True), _row(2, default=True)], "two snapshots are the default"),
        ([_row(0), _row(1, default="yes")], "default of snapshot 1 has an unknown form"),
        ([_row(0), _row(1, active=None)], "active of snapshot 1 has an unknown form"),
        ([_row(0), _row(1, userdata=["a"])], "userdata of snapshot 1 has an unknown form"),
        ([_row(0), _row(True)], "a snapshot has no number"),
        ([_row(0), _row(-1)], "a snapshot has no number"),
        ([_row(0), "1"], "it has no list of snapshots under 'root'"),
    ],
)
def test_what_is_no_list(rows: list[object], cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_snapshots(json.dumps({"root": rows}))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it is empty"),
        ('{"other": []}', "no list of snapshots under 'root'"),
        ("[" * 100_000, "cannot parse"),
        ("number,default\n0,no\n1,no,yes\n", "a row has 3 fields, not 2"),
        ("number,default\n0,no\n1,n", "it is cut off"),
        ("number,default\n0,no\n1,nein\n", "default of snapshot 1 has an unknown form"),
        ("default,active\nno,no\n", "a snapshot has no number"),
    ],
)
def test_what_is_no_list_as_text(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_snapshots(text)


def test_user_data_in_csv() -> None:
    text = (
        "number,default,active,description,userdata\n0,no,no,current,\n"
        '3,no,no,Snapshot Update of #1,"important=yes, transactional-update-in-progress=yes"\n'
        '4,yes,no,Snapshot Update of #3,"a=b, transactional-update-in-progress="\n'
    )
    assert parse_snapshots(text) == (
        Snapshot(3, False, False, True, 1),
        Snapshot(4, True, False, False, 3),
    )
