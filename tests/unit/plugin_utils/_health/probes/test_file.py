# SPDX-License-Identifier: GPL-3.0-or-later
"""The file probe on files of this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.file import File
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result


def look(run: Callable, **options: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the data and all faults."""
    probe = File(**options)
    data = probe.read(run(probe))
    return data, {**probe.demands(data), **probe.expects(data)}


@pytest.fixture
def status(tmp_path: Path) -> Path:
    path = tmp_path / "it's $(touch owned).json"
    path.write_text('{"state": "ready"}\n')
    path.chmod(0o640)
    return path


def test_a_file(run: Callable, status: Path, tmp_path: Path) -> None:
    data, faults = look(run, path=str(status), file_type="file", max_age=3600)
    assert (data["exists"], data["file_type"], data["mode"], data["size"]) == (True, "file", "0640", 19)
    assert (data["uid"], data["content"], data["json"]) == (os.getuid(), None, None)
    assert faults == {}
    assert not (tmp_path / "owned").exists()


def test_content_only_where_it_is_asked_for(run: Callable, status: Path) -> None:
    data, _faults = look(run, path=str(status), content=True)
    assert data["content"] == '{"state": "ready"}\n'
    assert data["json"] == {"state": "ready"}


def test_long_content_is_cut(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 200_000)
    assert look(run, path=str(tmp_path / "long"), content=True)[0]["content"] == "x" * 4096


def test_an_old_file(run: Callable, status: Path) -> None:
    os.utime(status, (1000, 1000))
    _data, faults = look(run, path=str(status), max_age=60)
    assert list(faults) == ["age"]
    assert faults["age"].endswith(" s ago, expected at most 60 s")


def test_a_directory_is_no_file(run: Callable, tmp_path: Path) -> None:
    data, faults = look(run, path=str(tmp_path), file_type="file", content=True)
    assert (data["file_type"], data["content"]) == ("directory", "")
    assert faults == {"file_type": f"{tmp_path} is a directory, expected a file"}


def test_a_socket(run: Callable, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        assert look(run, path=str(tmp_path / "s"), file_type="socket")[1] == {}


def test_a_fifo_is_not_read(run: Callable, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert look(run, path=str(tmp_path / "pipe"), content=True)[0]["file_type"] == "fifo"


def test_an_absent_file(run: Callable, tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    data, faults = look(run, path=path)
    assert data["exists"] is False
    assert faults == {"answer": f"{path} does not exist"}
    assert look(run, path=path, present=False)[1] == {}
    absent = File(path=path, max_age=1)
    assert absent.demands(data) == {"answer": f"{path} does not exist"}  # holds with a query too


def test_a_link_to_nothing_and_a_path_through_a_file_are_absent(run: Callable, status: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert look(run, path=str(tmp_path / "link"))[0]["exists"] is False
    assert look(run, path=f"{status}/below")[0]["exists"] is False


def test_a_file_that_must_not_be_there(run: Callable, status: Path) -> None:
    assert look(run, path=str(status), present=False)[1] == {"answer": f"{status} exists"}


def test_a_loop_of_links_is_not_known(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FlotillaError, match="stat exited with 1: "):
        look(run, path=str(tmp_path / "loop"))


def test_a_file_system_that_hangs_is_not_known() -> None:
    with pytest.raises(FlotillaError, match="stat did not answer within 10 s"):
        File(path="/net/x").read(Result("probe.0", "", 124, "1000\n", ""))


def test_without_stat_it_is_not_known(run_in: Callable, tools: Callable) -> None:
    with pytest.raises(FlotillaError, match="there is no stat on the host"):
        File(path="/").read(run_in(File(path="/"), tools("date")))
