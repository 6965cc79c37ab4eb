# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of /proc/self/mountinfo and df; the first line is the example of proc_pid_mountinfo(5)."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_mount import parse_mount

MOUNTS = """\
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 98:0 / /with\\040space rw - ext4 /dev/vda2 rw
38 35 98:0 / /ro rw,relatime shared:1 - ext4 /dev/vda3 ro,errors=remount-ro
39 35 98:0 / /over rw - ext4 /dev/vda4 rw
40 39 0:5 / /over ro - tmpfs tmpfs ro
"""
HEAD = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
MARK = "@@flotilla-space\n"


def test_a_mount_and_its_room() -> None:
    found = parse_mount(f"{MOUNTS}{MARK}{HEAD}/dev/root 1024000 512000 256000 67% /mnt2\n", "/mnt2")
    assert found == {
        "mounted": True,
        "fstype": "ext3",
        "source": "/dev/root",
        "options": ["errors=continue", "noatime", "rw"],
        "rw": True,
        "size_mb": 1000,
        "free_mb": 250,
        "free_percent": 33.3,
    }


@pytest.mark.parametrize(
    ("path", "rw", "fstype"),
    [("/with space", True, "ext4"), ("/ro", False, "ext4"), ("/over", False, "tmpfs"), ("/none", None, None)],
)
def test_which_mount_is_seen(path: str, rw: bool | None, fstype: str | None) -> None:
    found = parse_mount(MOUNTS + MARK, path)
    assert (found["mounted"], found["rw"], found["fstype"]) == (fstype is not None, rw, fstype)
    assert found["free_mb"] is None


@pytest.mark.parametrize(
    ("line", "free"),
    [
        ("my disk 100 1 99 1% /mnt2", 99.0),
        ("overfull 100 100 -5 105% /mnt2", 0.0),
        ("proc 0 0 0 - /mnt2", None),
    ],
)
def test_odd_lines_of_df(line: str, free: float | None) -> None:
    assert parse_mount(f"{MOUNTS}{MARK}{HEAD}{line}\n", "/mnt2")["free_percent"] == free


@pytest.mark.parametrize("text", [MOUNTS, f"36 35 98:0 /\n{MARK}", f"{MOUNTS}{MARK}{HEAD}nonsense\n"])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(CannotParse):
        parse_mount(text, "/mnt2")
