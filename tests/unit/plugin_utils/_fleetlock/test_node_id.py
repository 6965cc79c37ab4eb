# SPDX-License-Identifier: GPL-3.0-or-later
"""The id of Zincati, against systemd's own tool where there is one."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.node_id import ZINCATI, zincati_id

MACHINE_ID = Path("/etc/machine-id")


def test_known_id() -> None:
    found = zincati_id("c988d2509fdf5cdcbed39037c56406fb\n")
    assert found == "bb05c82b31e641e1aa11db89f05f4cb8"
    assert uuid.UUID(found).version == 4


@pytest.mark.skipif(
    not (shutil.which("systemd-id128") and MACHINE_ID.exists()), reason="systemd-id128 or a machine id is not here"
)
def test_as_systemd_derives_it() -> None:
    argv = ["systemd-id128", "machine-id", "-a", ZINCATI.hex()]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    assert zincati_id(MACHINE_ID.read_text()) == said


@pytest.mark.parametrize("text", ["", "uninitialized", "0" * 32, "g" * 32, "c988d2509fdf5cdcbed39037c56406f"])
def test_no_id_from_no_machine_id(text: str) -> None:
    with pytest.raises(Refused, match="is no machine id"):
        zincati_id(text)
