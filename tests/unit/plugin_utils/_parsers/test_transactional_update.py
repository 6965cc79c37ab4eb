# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own probes print on hosts of transactional-update, whole and damaged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.transactional_update import (
    Content,
    parse_contents,
    parse_default,
    parse_offer,
    parse_root,
    parse_staged,
)

RECORDED = Path(__file__).parents[2] / "fixtures/transactional_update"
A, B = "a" * 64, "b" * 64
CONTENTS = f"snapshot 12 {A} 20261120\nsnapshot 14 {B} -\nend\n"
OFFER = f"digest {A}\nversion 20261122\n"
MUTATIONS = 10_000


def test_contents() -> None:
    assert parse_contents(CONTENTS) == {12: Content(A, "20261120"), 14: Content(B, None)}
    assert parse_contents("end\n") == {}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "they are cut off"),
        (f"snapshot 12 {A} 6.1\n", "they are cut off"),
        (f"snapshot 12 {A[:-1]} 6.1\nend\n", "unknown form"),
        (f"snapshot 12 {A} 6.1\nsnapshot 12 {B} 6.1\nend\n", "snapshot 12 is there twice"),
    ],
)
def test_what_are_no_contents(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=f"cannot parse the contents of the snapshots: {cause}"):
        parse_contents(text)


def test_damaged_contents_are_read_as_they_stand_or_refused() -> None:
    read = 0
    for text in mutations(CONTENTS, seed=6, count=MUTATIONS):
        try:
            found = parse_contents(text)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse the contents of the snapshots: ")
            continue
        read += 1
        lines = text.split("\n")[:-2]
        words = [line.split(" ") for line in lines]
        assert {
            int(number): Content(digest, None if version == "-" else version) for _s, number, digest, version in words
        } == found
    assert read


def test_offer() -> None:
    assert parse_offer(OFFER) == (A, "20261122")
    assert parse_offer(OFFER.replace("20261122", "-")) == (A, None)


def test_damaged_offer_is_read_as_it_stands_or_refused() -> None:
    for text in mutations(OFFER, seed=7, count=MUTATIONS):
        try:
            digest, version = parse_offer(text)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse what the repositories offer: ")
            continue
        assert text == f"digest {digest}\nversion {version or '-'}\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("/@/.snapshots/12/snapshot\n", 12),
        ("/.snapshots/1/snapshot", 1),
        ("/@\n", None),
        ("/\n", None),
        ("", None),
        ("/@/.snapshots/x/snapshot", None),
    ],
)
def test_root(text: str, number: int | None) -> None:
    assert parse_root(text) == number


def test_default() -> None:
    assert parse_default((RECORDED / "snapper/btrfs-get-default.stdout").read_text()) == 2
    assert parse_default("ID 278 gen 8 top level 257 path @/.snapshots/12/snapshot\n") == 12
    for text in ("ID 5 (FS_TREE)\n", "", "ID 278 gen 8 top level 257 path @/.snapshots/12/snapshot/etc"):
        with pytest.raises(CannotParse, match="it names no snapshot"):
            parse_default(text)


def test_record_of_what_is_staged() -> None:
    assert (parse_staged(""), parse_staged("14\n")) == (None, 14)
    for text in ("14", "fourteen\n", "14\n15\n"):
        with pytest.raises(CannotParse, match="the record of what was staged"):
            parse_staged(text)


@pytest.mark.parametrize(
    ("whole", "parse"),
    [
        ("/@/.snapshots/12/snapshot\n", parse_root),
        ("ID 278 gen 8 top level 257 path @/.snapshots/12/snapshot\n", parse_default),
        ("14\n", parse_staged),
    ],
)
def test_damaged_numbers_are_numbers_of_the_text_or_refused(whole: str, parse: object) -> None:
    assert callable(parse)
    for text in mutations(whole, seed=8, count=MUTATIONS):
        try:
            number = parse(text)
        except CannotParse:
            continue
        assert number is None or number in map(int, re.findall("[0-9]+", text))
