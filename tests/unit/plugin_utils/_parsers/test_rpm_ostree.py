# SPDX-License-Identifier: GPL-3.0-or-later
"""What rpm-ostree prints; whole hosts are in _drivers/test_rpm_ostree.py. Here: what is odd, broken, or cut off."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.rpm_ostree import parse_status

RECORDED = Path(__file__).parents[2] / "fixtures/rpm_ostree"
JSON = [path.read_text() for path in sorted(RECORDED.glob("status-json-*.json"))]
TEXT = [path.read_text() for path in sorted(RECORDED.glob("status-text-*.txt"))]
COMMIT = "a" * 64
MUTATIONS = 10_000


def _deployment(**changes: object) -> dict[str, object]:
    return {"osname": "x", "checksum": COMMIT, "serial": 0, "booted": True, **changes}


def _shown(*deployments: dict[str, object], **more: object) -> str:
    return json.dumps({"deployments": deployments, **more})


def test_entry_needs_its_identity_alone() -> None:
    (entry,) = parse_status(_shown(_deployment())).entries
    assert (entry.id, entry.digest, entry.valid_signature) == (f"{COMMIT}.0", COMMIT, None)


def test_image_whose_metadata_cannot_be_read() -> None:
    reference = "ostree-unverified-registry:quay.io/x/y:z"
    (entry,) = parse_status(_shown(_deployment(**{"container-image-reference": reference}))).entries
    assert (entry.image_digest, entry.digest, entry.origin) == (None, COMMIT, reference)
    text = f"State: idle\nDeployments:\n● (error fetching image metadata)\n   Commit: {COMMIT}\n"
    (entry,) = parse_status(text).entries
    assert (entry.is_image, entry.origin, entry.booted) == (True, None, True)


def test_signatures() -> None:
    good, bad = [True, *[False] * 14], [False] * 15
    for signatures, valid in (([good], True), ([bad, good], True), ([bad], False), ([], False)):
        shown = _shown(_deployment(**{"gpg-enabled": True, "signatures": signatures}))
        assert parse_status(shown).entries[0].valid_signature is valid
    for said, valid_in_text in (("(unsigned)", False), ("1 signature\n      BAD signature from x", False)):
        text = f"State: idle\nDeployments:\n* r:b\n   Commit: {COMMIT}\n   GPGSignature: {said}\n"
        assert parse_status(text).entries[0].valid_signature is valid_in_text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it names no state"),
        ("error: something", "it names no state"),
        ("State: dozing\nDeployments:\n", "unknown state"),
        ("State: idle\n", "it names no deployments"),
        ("State: idle\nDeployments:\n* r:b\n", "a deployment without its commit"),
        (f"State: idle\nDeployments:\n* r:b\n  Commit: {COMMIT}\n  Commit: {COMMIT}\n", "two commits"),
        (f"State: idle\nDeployments:\n* r:b\n  Commit: {COMMIT}\n  Version: 1\n", "a version without its time"),
        ("State: idle\nDeployments:\nwhat is this\n", "unknown line"),
        ("{", "JSONDecodeError"),
        ('{"deployments": 3}', "TypeError"),
        ("{}", "KeyError"),
        (_shown(_deployment(checksum="abc")), "not a checksum"),
        (_shown(_deployment(serial=True)), "not a serial"),
        (_shown(_deployment(booted="yes")), "not true or false"),
        (_shown(_deployment(id=f"x-{COMMIT}.1")), "is not that of"),
        (_shown(_deployment(), _deployment(serial=1)), "two deployments are booted"),
        (_shown(_deployment(staged=True)), "is booted"),
        (_shown(_deployment(booted=False), _deployment(booted=False)), "two deployments are the same"),
        (_shown(_deployment(), _deployment(serial=1, booted=False, staged=True)), "not the first one"),
        (_shown(_deployment(), transaction=[]), "IndexError"),
        ("[" * 100_000 + "]" * 100_000, "it names no state"),
        ('{"a":' * 100_000, "RecursionError"),
    ],
)
def test_unknown_output_is_refused(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=f"cannot parse the output of `rpm-ostree status.*{cause}"):
        parse_status(text)


def test_kinds_of_host_by_position() -> None:
    nothing_booted = parse_status(_shown(_deployment(booted=False))).entries
    assert not any(entry.booted for entry in nothing_booted)
    assert parse_status(_shown()).entries == ()


@pytest.mark.parametrize(("texts", "seed"), [(JSON, 1), (TEXT, 2)], ids=["json", "text"])
def test_mutations_are_read_or_refused(texts: list[str], seed: int) -> None:
    """What is read stands in the text as it came: nothing is guessed, and no entry is made up."""
    short = [text for text in texts if len(text) < 6000]
    for number, original in enumerate(short):
        for text in mutations(original, seed + number, -(-MUTATIONS // len(short))):
            try:
                status = parse_status(text)
            except CannotParse as exc:
                assert str(exc).startswith("cannot parse the output of `rpm-ostree status")
                continue
            for entry in status.entries:
                assert re.fullmatch("[0-9a-f]{64}", entry.checksum)
                assert all(one in text for one in (entry.checksum, entry.digest))
                assert entry.version is None or json.dumps(entry.version).strip('"') in text or entry.version in text
