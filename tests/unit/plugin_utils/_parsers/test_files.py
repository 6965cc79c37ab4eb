# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files printed by one step, by a real shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import print_files
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.files import split_files


def test_files_come_back_as_they_are(tmp_path: Path) -> None:
    contents = {"a.conf": "x=1\n", "b.conf": "no newline at the end", "c.conf": "", "d e.conf": "[s]\n\ny\n"}
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "a folder.conf").mkdir()
    script = print_files(f"{tmp_path}/*.conf", f"{tmp_path}/absent/*")
    shown = subprocess.run(["sh", "-c", f"echo noise; {script}"], capture_output=True, text=True, check=True).stdout
    found = {Path(path).name: text for path, text in split_files(shown)}
    # A mark stands in a line of its own, so that a file may end without one.
    assert {name: text.rstrip("\n") for name, text in found.items()} == {
        name: text.rstrip("\n") for name, text in contents.items()
    }


def test_file_that_cannot_be_read_fails_the_step(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("x")
    script = f"cat() {{ return 1; }}; {print_files(f'{tmp_path}/*.conf')}"
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 1


def test_nothing_printed_is_no_file() -> None:
    assert split_files("") == []
    assert split_files("noise\n") == []
