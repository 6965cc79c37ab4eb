# SPDX-License-Identifier: GPL-3.0-or-later
"""What an update server answers: every recorded answer, and thousands that are damaged."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.omaha import Answer, parse_answer

RECORDED = Path(__file__).parents[2] / "fixtures/update_engine"
CASES: dict[str, Any] = json.loads((RECORDED / "cases.json").read_text())["omaha"]
MUTATIONS = 10_000


def _read(name: str) -> str:
    return (RECORDED / "omaha" / name).read_text()


def test_every_recorded_answer_has_a_case() -> None:
    assert {path.name for path in (RECORDED / "omaha").glob("*response*")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_recorded_answer(name: str) -> None:
    if CASES[name] == "cannot parse":
        with pytest.raises(CannotParse):
            parse_answer(_read(name))
    else:
        assert parse_answer(_read(name)) == Answer(*CASES[name])


@pytest.mark.parametrize("path", sorted((RECORDED / "omaha").glob("*request*")), ids=lambda path: path.stem)
def test_request_is_no_answer(path: Path) -> None:
    with pytest.raises(CannotParse):
        parse_answer(path.read_text())


def test_damaged_answer_is_read_as_it_stands_or_refused() -> None:
    read = 0
    for name in CASES:
        for text in mutations(_read(name), seed=len(name), count=MUTATIONS // len(CASES) + 1):
            try:
                answer = parse_answer(text)
            except CannotParse as exc:
                assert str(exc).startswith("cannot parse the answer of the update server: ")
                continue
            if answer.status == "ok":
                read += 1
                assert answer.version
                assert answer.digest
                # (One character of base64 may be written otherwise and mean the same.)
                assert base64.b64encode(bytes.fromhex(answer.digest)).decode()[:42] in text
    assert read


def test_answer_with_a_document_type_is_refused() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><response><app status="&b;"/></response>'
    with pytest.raises(CannotParse, match="document type"):
        parse_answer(bomb)


def test_first_of_several_manifests_counts() -> None:
    text = _read("response_update.xml").replace("</updatecheck>", '<manifest version="9"></manifest></updatecheck>')
    assert parse_answer(text).version == "4593.2.5"
