# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.files import differs, replace


def test_replace_makes_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "report.json"
    assert differs(path, "one\n")
    replace(path, "one\n")
    assert path.read_text() == "one\n"
    assert not differs(path, "one\n")
    assert differs(path, "two\n")
    replace(path, "two\n")
    assert path.read_text() == "two\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_who_reads_meanwhile_has_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    replace(path, "old")
    with path.open() as reader:
        replace(path, "new")
        assert reader.read() == "old"


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    replace(path, "old")

    def full(_self: Path, _to: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FlotillaError, match=r"cannot write .*report\.json: No space left on device"):
        replace(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_is_said(tmp_path: Path) -> None:
    with pytest.raises(FlotillaError, match="cannot read"):
        differs(tmp_path, "text")
