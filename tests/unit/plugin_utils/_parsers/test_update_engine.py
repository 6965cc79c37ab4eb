# SPDX-License-Identifier: GPL-3.0-or-later
"""What update_engine and its client print: every recorded output, and thousands that are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.update_engine import (
    OPERATIONS,
    Known,
    Status,
    parse_known,
    parse_root_hash,
    parse_settings,
    parse_status,
)

RECORDED = Path(__file__).parents[2] / "fixtures/update_engine"
CASES: dict[str, list[Any]] = json.loads((RECORDED / "cases.json").read_text())["status"]
MUTATIONS = 10_000


def _read(name: str) -> str:
    return (RECORDED / "status" / name).read_text()


def test_every_recorded_status_has_a_case() -> None:
    assert {path.name for path in (RECORDED / "status").iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_recorded_status(name: str) -> None:
    checked, progress, operation, version, size, busy = CASES[name]
    wanted = Status(checked, progress, operation and f"UPDATE_STATUS_{operation}", version, size)
    assert parse_status(_read(name)) == wanted
    assert parse_status(_read(name)).busy == busy


def test_damaged_status_is_read_as_it_stands_or_refused() -> None:
    read = 0
    for name in CASES:
        for text in mutations(_read(name), seed=len(name), count=MUTATIONS // len(CASES) + 1):
            try:
                status = parse_status(text)
            except CannotParse as exc:
                assert str(exc).startswith("cannot parse the status of update_engine: ")
                continue
            read += 1
            assert status.operation in (*OPERATIONS, None)
            assert 0 <= status.progress <= 1
            if text.startswith("xdssx"):
                continue
            # Nothing is made up: the last five lines say just that.
            shown = dict(line.split("=", 1) for line in text.split("\n")[-6:-1])
            assert list(shown) == ["LAST_CHECKED_TIME", "PROGRESS", "CURRENT_OP", "NEW_VERSION", "NEW_SIZE"]
            assert (int(shown["LAST_CHECKED_TIME"]), int(shown["NEW_SIZE"])) == (status.last_checked, status.size)
            assert shown["CURRENT_OP"] == (status.operation or "(null)")
            assert status.version in (None, shown["NEW_VERSION"])
    assert read


@pytest.mark.parametrize(
    "text", ["", "LAST_CHECKED_TIME=0\n", "xdssx 0 nan", 'xdssx 0 1.2 "UPDATE_STATUS_IDLE" "" 0\n']
)
def test_what_is_no_status(text: str) -> None:
    with pytest.raises(CannotParse):
        parse_status(text)


def test_unknown_operation_is_never_taken_for_idle() -> None:
    with pytest.raises(CannotParse, match="unknown operation"):
        parse_status(_read("status_idle_checked.stdout").replace("STATUS_IDLE", "STATUS_NEW"))


def _files(**contents: str) -> str:
    return "".join(f"\n{FILE_MARK}/etc/{name}\n{content}" for name, content in contents.items())


def test_settings_of_the_user_win_over_the_image() -> None:
    image = (RECORDED / "settings/update.conf.image_default").read_text()
    own = (RECORDED / "settings/update.conf.nebraska_group_uuid").read_text()
    assert parse_settings(_files(own=own, image=image)) == {
        "GROUP": "ab51a000-02dc-4fc7-a6b0-c42881c89856",
        "SERVER": "http://your.nebraska.host:port/v1/update/",
    }
    disabled = (RECORDED / "settings/update.conf.disabled").read_text()
    assert parse_settings(_files(own=disabled, image=image)) == {"GROUP": "stable", "SERVER": "disabled"}


def test_settings_are_split_as_the_engine_splits_them() -> None:
    text = "# a word\n GROUP=no\nGROUP=beta\nGROUP=\"alpha\"\nSERVER=http://h/?a=b\nMACHINE_ALIAS=\nREBOOT_STRATEGY='off'\n"
    found = parse_settings(_files(own=text))
    assert (found["GROUP"], found["SERVER"], found["MACHINE_ALIAS"]) == ("alpha", "http://h/?a=b", "")
    assert found["REBOOT_STRATEGY"] == "off"


def test_release() -> None:
    found = parse_settings(_files(release=(RECORDED / "settings/release").read_text()))
    assert found["FLATCAR_RELEASE_VERSION"] == "4593.2.5"


def test_damaged_settings_raise_nothing() -> None:
    text = _files(own=(RECORDED / "settings/update.conf.nebraska_stable").read_text(), image="GROUP=lts\n")
    for variant in mutations(text, seed=3, count=MUTATIONS):
        found = parse_settings(variant)
        assert all(f"{key}=" in variant and value in variant for key, value in found.items())


HASH = "0123456789abcdef" * 4


def test_record_of_ours() -> None:
    assert parse_known(f"{HASH} {'a' * 64} 4593.2.5\n{'b' * 64} {'b' * 64} -\n") == {
        HASH: Known("a" * 64, "4593.2.5"),
        "b" * 64: Known("b" * 64, None),
    }
    assert parse_known("") == {}


def test_damaged_record_is_refused() -> None:
    for variant in mutations(f"{HASH} {'a' * 64} 4593.2.5\n{'b' * 64} {'b' * 64} -\n", seed=4, count=MUTATIONS):
        try:
            known = parse_known(variant)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse the record of what was staged on the host: ")
            continue
        assert all(f"{key} {value.digest} {value.version or '-'}" in variant for key, value in known.items())


def test_root_hash_of_the_running_usr() -> None:
    line = f"BOOT_IMAGE=/flatcar/vmlinuz-a mount.usrflags=ro verity.usrhash={'b' * 64} quiet verity.usrhash={HASH}\n"
    assert parse_root_hash(line) == HASH
    assert parse_root_hash(f"xverity.usrhash={HASH}") is None
    assert parse_root_hash(f"verity.usrhash={HASH}0") is None
    assert parse_root_hash("quiet") is None
