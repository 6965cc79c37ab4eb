# SPDX-License-Identifier: GPL-3.0-or-later
"""What ostree prints, recorded on machines of the lab (2025.2) and from public samples."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Verification
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.ostree import (
    parse_remotes,
    parse_status,
    parse_summary,
)

RECORDED = Path(__file__).parents[2] / "fixtures/ostree"


def _read(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("admin-status-booted", [(True, None, "1")]),
        ("admin-status-staged", [(False, "staged", "2"), (True, None, "1")]),
        ("admin-status-upgraded", [(True, None, "2"), (False, "rollback", "1")]),
        ("admin-status-fallback-never-up", [(False, "pending", "3-never-up"), (True, None, None)]),
    ],
)
def test_recorded_status(name: str, expected: list[tuple[bool, str | None, str | None]]) -> None:
    entries = parse_status(_read(name))
    for entry, (booted, position, version) in zip(entries, expected, strict=False):
        assert entry.booted is booted
        assert entry.position == position
        assert version is None or entry.version == version
        assert entry.good_signature is True
        assert entry.refspec is not None
    assert len(entries) >= len(expected)


def test_json_and_text_agree() -> None:
    entry = {"checksum": "c" * 64, "stateroot": "lab", "serial": 1, "booted": True, "refspec": "r:b", "version": "7"}
    text = f"* lab {'c' * 64}.1\n    Version: 7\n    origin refspec: r:b\n"
    assert parse_status(json.dumps({"deployments": [entry]})) == parse_status(text)


def test_no_deployments() -> None:
    assert parse_status("No deployments.\n") == ()
    assert parse_status('{"deployments": []}') == ()


@pytest.mark.parametrize(
    "text", ["", "garbage", "    Version: 1\n", '{"deployments": [{}]}', '{"deployments": 3}', "{"]
)
def test_unknown_output_is_refused(text: str) -> None:
    with pytest.raises(CannotParse, match="cannot parse"):
        parse_status(text)


@pytest.mark.parametrize("length", [0.3, 0.5, 0.8])
def test_output_that_ends_too_early_is_refused(length: float) -> None:
    text = _read("admin-status-staged")
    with pytest.raises(CannotParse, match="cannot parse the output of `ostree admin status`"):
        parse_status(text[: int(len(text) * length)])
    with pytest.raises(CannotParse, match="it ends too early"):
        parse_status(text[: text.rindex("origin")].rstrip(" "))


def test_mutations_are_read_or_refused() -> None:
    dice = random.Random(11)
    texts = [_read(path.stem) for path in sorted(RECORDED.glob("admin-status-*.txt")) if "unsupported" not in path.name]
    for _round in range(10_000):
        text = list(dice.choice(texts))
        for _hit in range(dice.randrange(1, 5)):
            at = dice.randrange(len(text))
            text[at : at + dice.randrange(3)] = dice.choice(["", "\n", "*", " ", "x", "\0", "(staged)"])
        try:
            for entry in parse_status("".join(text)[: dice.randrange(1, 2000)]):
                assert len(entry.checksum) == 64
        except CannotParse:
            continue


def test_recorded_summary() -> None:
    found = parse_summary(_read("remote-summary"), "lab/x86_64/stable")
    assert found is not None
    assert len(found[0]) == 64
    assert found[1] == "2"
    assert parse_summary(_read("remote-summary"), "no/such/branch") is None
    with pytest.raises(CannotParse):
        parse_summary("", "x")


def test_remotes_verify_unless_told_otherwise() -> None:
    text = (
        '\n@@flotilla-file /etc/ostree/remotes.d/a.conf\n[remote "a"]\nurl=http://a/\n'
        '\n@@flotilla-file /etc/ostree/remotes.d/b.conf\n[remote "b"]\nurl=http://b/\ngpg-verify=false\n'
        '\n@@flotilla-file /ostree/repo/config\n[core]\nmode=bare\n[remote "c"]\nurl=http://c/\nsign-verify=ed25519\n'
    )
    remotes = parse_remotes(text)
    assert {name: remote.verification for name, remote in remotes.items()} == {
        "a": Verification.GPG,
        "b": Verification.NONE,
        "c": Verification.SIGN,
    }


def test_one_remote_in_two_files_is_an_error_as_for_ostree() -> None:
    one = '\n@@flotilla-file /x/{}.conf\n[remote "a"]\nurl=http://a/\n'
    with pytest.raises(CannotParse, match="remote a stands in"):
        parse_remotes(one.format(1) + one.format(2))
