# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine is brought to its state: once, predicted, never by force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision import machine
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision._protocol import Machine, MachineWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.seed import Seed


class Provider:
    """Notes what it is told to do."""

    def __init__(self, state: str = "absent", definition: tuple[str, ...] = ("mine",)) -> None:
        self.state, self.running_definition = state, definition
        self.did: list[str] = []

    def observe(self, name: str, directory: Path) -> Machine:
        return Machine(name, self.state, 7 if self.state == "running" else None, self.running_definition)

    def refuse(self, wish: MachineWish) -> None:
        self.did.append("looked")
        if wish.memory == 0:
            raise Refused("cannot start machine lab1: no memory")

    def definition(self, wish: MachineWish) -> tuple[str, ...]:
        return ("mine",)

    def start(self, wish: MachineWish) -> None:
        assert (wish.directory / "known_hosts").is_file(), "its key must be pinned before it is switched on"
        self.did.append("start")
        self.state = "running"

    def wait(self, wish: MachineWish, timeout: float, say: Any) -> None:
        self.did.append("wait")

    def power_off(self, found: Machine, directory: Path) -> None:
        self.did.append("power_off")

    def shut_down(self, found: Machine, directory: Path, timeout: float) -> None:
        self.did.append("shut_down")

    def remove(self, found: Machine, directory: Path) -> None:
        self.did.append("remove")

    def save(self, found: Machine, directory: Path, snapshot: str) -> None:
        self.did.append(f"save {snapshot}")

    def restore(self, found: Machine, directory: Path, snapshot: str) -> None:
        self.did.append(f"restore {snapshot}")


@pytest.fixture
def wish(tmp_path: Path) -> MachineWish:
    seed = Seed("lab1", "core", "ssh-ed25519 AAAA user", "private", "ssh-ed25519 BBBB host")
    return MachineWish("lab1", tmp_path / "lab1", tmp_path / "image", 256, 1, 2222, "auto", True, seed)


def _run(provider: Provider, wish: MachineWish, check: bool = False) -> Any:
    return machine.run(provider, wish, 60, lambda _text: None, check).result(diff=True)


def test_started_once(wish: MachineWish) -> None:
    provider = Provider()
    first = _run(provider, wish)
    assert first["changed"]
    assert first["machine"]["state"] == "running"
    assert first["machine"]["ssh_port"] == 2222
    assert provider.did == ["looked", "start", "wait"]
    second = _run(provider, wish)
    assert not second["changed"]
    assert provider.did[3:] == ["wait"]


def test_check_mode_predicts_and_looks_for_what_would_be_refused(wish: MachineWish) -> None:
    provider = Provider()
    result = _run(provider, wish, check=True)
    assert result["changed"]
    assert result["diff"]["after"] == "state: running\n"
    assert provider.did == ["looked"]
    assert not wish.directory.exists()


def test_refused_before_anything_is_made(wish: MachineWish) -> None:
    bad = MachineWish(**{**vars(wish), "memory": 0})
    with pytest.raises(Refused, match="no memory"):
        _run(Provider(), bad)
    assert not wish.directory.exists()


def test_running_with_another_definition_is_refused(wish: MachineWish) -> None:
    provider = Provider("running", ("other",))
    with pytest.raises(Refused, match="it runs with another definition"):
        _run(provider, wish)
    assert provider.did == []


def test_host_key_is_pinned_and_only_written_when_it_differs(wish: MachineWish) -> None:
    path = machine.known_hosts(wish)
    assert path.read_text() == "[127.0.0.1]:2222 ssh-ed25519 BBBB\n"
    before = path.stat().st_mtime_ns
    assert machine.known_hosts(wish).stat().st_mtime_ns == before
    path.write_text("[127.0.0.1]:2222 ssh-ed25519 EVIL\n")
    assert "BBBB" in machine.known_hosts(wish).read_text()
    assert [one.name for one in path.parent.iterdir()] == ["known_hosts"]


def test_known_hosts_that_cannot_be_written(wish: MachineWish) -> None:
    wish.directory.parent.joinpath("lab1").write_text("a file in its place")
    with pytest.raises(FlotillaError, match="cannot write .*known_hosts"):
        machine.known_hosts(wish)


@pytest.mark.parametrize(
    ("before", "wanted", "did"),
    [
        ("running", "stopped", ["shut_down"]),
        ("running", "powered_off", ["power_off"]),
        ("running", "absent", ["remove"]),
        ("off", "absent", ["remove"]),
        ("off", "stopped", []),
        ("absent", "stopped", []),
        ("absent", "absent", []),
    ],
)
def test_ends(tmp_path: Path, before: str, wanted: str, did: list[str]) -> None:
    provider = Provider(before)
    folder = tmp_path / "lab1"
    assert machine.end(provider, "lab1", folder, wanted, check=True).changed is bool(did)
    assert provider.did == []
    assert machine.end(provider, "lab1", folder, wanted, check=False).changed is bool(did)
    assert provider.did == did


def test_snapshot_of_a_running_machine_only(tmp_path: Path) -> None:
    provider = Provider("running")
    machine.snapshot(provider, "lab1", tmp_path, "saved", "x", check=False)
    machine.snapshot(provider, "lab1", tmp_path, "restored", "x", check=False)
    machine.snapshot(provider, "lab1", tmp_path, "restored", "x", check=True)
    assert provider.did == ["save x", "restore x"]
    with pytest.raises(Refused, match="cannot have machine lab1 saved: it is off"):
        machine.snapshot(Provider("off"), "lab1", tmp_path, "saved", "x", check=False)
