# SPDX-License-Identifier: GPL-3.0-or-later
"""A real machine without a disk: PXE boots it from the image set that our modules swap on its boot server."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from live import LAB, NAME, Live, running

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    tools = ("ansible-playbook", "qemu-system-x86_64", "gpg", "gpgv", "cpio", "dpkg-deb", "apt-get", "ssh-keygen")
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"not on PATH: {', '.join(missing)}: run `make vm-test`, on Debian, with what docs/lab.md needs")
    with running() as machine:
        yield machine


def _good(result: dict[str, object]) -> dict[str, object]:
    assert not result.get("failed"), result
    return result


def test_upgrade_and_swap_back(live: Live) -> None:
    """Follow, stage, boot, confirm, roll back: two reboots. The machine itself says what it was booted from."""
    one, two = live.digests["1"], live.digests["2"]
    _good(live.module("update_channel", channel="2", source=f"file://{LAB}/images"))
    state = _good(live.module("deployment_info"))["host_state"]
    assert (state["driver"], state["booted"]["version"], state["booted"]["digest"]) == ("boot_image", "1", one)
    assert state["booted"]["verified"] is True
    assert (state["staged"], state["guard"]) == (None, None)

    staged = _good(live.module("deployment"))
    assert (staged["changed"], staged["host_state"]["staged"]["digest"]) == (True, two)
    assert live.boots() == ["1"]
    current = live.store / "hosts" / NAME / "current"
    assert current.readlink().name == one

    booted = _good(live.module("deployment_boot", digest=two, confirm_within=300, timeout=500))
    assert booted["phase"] == "booted"
    assert booted["host_state"]["guard"]["covers"] == ["confirmation", "boot", "hang"]
    assert f"flotilla.image={two}" in live.command_line().split()
    assert current.readlink().name == two

    confirmed = _good(live.module("deployment_confirm", digest=two))
    assert confirmed["host_state"]["guard"] is None
    assert not (live.store / "hosts" / NAME / "guard").exists()
    assert _good(live.module("deployment"))["changed"] is False

    back = _good(live.module("deployment_rollback"))
    assert back["phase"] == "rolled_back"
    assert f"flotilla.image={one}" in live.command_line().split()
    assert live.boots() == ["1", "2", "1"]


def test_tampered_image_is_refused(live: Live) -> None:
    """The signature is gpgv's to judge, the sums are the manifest's; nothing is staged, nothing is rebooted."""
    folder, before = LAB / "images/3-no-network", live.boots()
    manifest, image = folder / "manifest", folder / "initrd.img"
    good, whole = manifest.read_text(), image.read_bytes()
    _good(live.module("update_channel", channel="3-no-network", source=f"file://{LAB}/images"))
    manifest.write_text(good.replace("panic=5", "panic=6"))
    refused = live.module("deployment")
    assert refused["failed"]
    assert "the signature of the manifest is refused" in refused["msg"]
    assert "BAD signature" in refused["msg"]
    manifest.write_text(good)
    image.write_bytes(whole[:-1])
    refused = live.module("deployment")
    assert refused["failed"]
    assert "initrd.img is not what the manifest says" in refused["msg"]
    assert refused["host_state"]["staged"] is None
    image.write_bytes(whole)
    assert live.boots() == before


def test_image_that_nobody_can_reach_is_taken_back_by_the_boot_server(live: Live) -> None:
    """It comes up without a network. At the deadline the boot server swaps back, and resets the machine."""
    one, bad = live.digests["1"], live.digests["3-no-network"]
    _good(live.module("update_channel", channel="3-no-network", source=f"file://{LAB}/images"))
    _good(live.module("deployment"))
    before = live.boots()
    booted = live.module("deployment_boot", digest=bad, confirm_within=90, timeout=600)
    assert booted["failed"]
    assert (booted["phase"], booted["cause"]) == ("rolled_back", "not_confirmed"), booted["msg"]
    assert live.boots() == [*before, "3-no-network", "1"]
    state = booted["host_state"]
    assert (state["booted"]["digest"], state["guard"], state["staged"]) == (one, None, None)
    assert state["last_fallback"]["target_digest"] == bad
