# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a simulated MicroOS host, step by step: what boots next, what is staged, what is left over."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from family import load
from simhost import Machine

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.transactional_update import (
    TransactionalUpdate,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    HostState,
    Os,
    Position,
    Verification,
)

FAMILY = load("transactional_update")
DRIVER = TransactionalUpdate()
OFFER = FAMILY.offer["digest"]
BY_HAND = "transactional-update --no-selfupdate --non-interactive dup"


class Host:
    """A simulated host, and what the driver sees of it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def state(self) -> HostState:
        results = {}
        for step in DRIVER.probes():
            done = self.machine.run(f"LC_ALL=C; export LC_ALL; {step.script}")
            results[step.name] = Result(step.name, step.script, done.returncode, done.stdout, done.stderr)
        assert DRIVER.present(results)
        view = DRIVER.observe(results)
        channel = Channel("repo-oss", None, Verification.GPG)
        return HostState(
            DRIVER.name, Os(), "boot-0", view.booted, view.staged, view.rollback, view.deployments, channel
        )

    def does(self, script: str) -> str:
        done = self.machine.run(f"LC_ALL=C; export LC_ALL; {script}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stage(self) -> str:
        return self.does(DRIVER.stage(self.state(), OFFER, False))

    def default(self) -> str:
        return self.does(f"{DRIVER.guard_functions()}\ndefault_id").strip()


@pytest.fixture
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="simhost-") as folder:
        machine = Machine.create(Path(folder) / "h1", "transactional_update")
        machine.switch_on(bound=True)
        machine.wait_until_up()
        yield Host(machine)
        machine.stop()


def test_what_is_staged_does_not_boot_by_itself_until_it_is_released(host: Host) -> None:
    assert "staged snapshot #2" in host.stage()
    state = host.state()
    assert state.staged is not None
    assert (state.staged.id, state.staged.digest, state.staged.position) == ("2", OFFER, Position.STAGED)
    assert host.default() == "1"
    assert host.does("ls /run/reboot-needed 2>/dev/null || echo none") == "none\n"
    host.does(DRIVER.release(state, state.staged).script)
    assert host.default() == "2"
    # The reboot is not carried out after all.
    host.does(DRIVER.lock_again())
    assert host.default() == "1"
    assert host.state() == state


def test_what_is_released_and_did_not_come_up_is_not_staged_again(host: Host) -> None:
    host.stage()
    staged = host.state().staged
    assert staged is not None
    host.does(DRIVER.release(host.state(), staged).script)
    host.does(f"{DRIVER.guard_functions()}\nmake_default 1")
    state = host.state()
    assert state.staged is None
    # It is still there, by its digest.
    assert [(one.id, one.position) for one in state.deployments] == [("1", Position.BOOTED), ("2", None)]


def test_unstaging_leaves_nothing(host: Host) -> None:
    host.stage()
    host.does(DRIVER.unstage(host.state()).script)
    state = host.state()
    assert (state.staged, len(state.deployments), host.default()) == (None, 1, "1")
    assert host.does("ls /.snapshots") == "1\n"


def test_staging_again_replaces_what_was_staged(host: Host) -> None:
    host.stage()
    host.stage()
    assert host.does("ls /.snapshots") == "1\n3\n"
    staged = host.state().staged
    assert staged is not None
    assert (staged.id, staged.position) == ("3", Position.STAGED)


def test_what_another_made_the_next_boot_is_seen_and_kept(host: Host) -> None:
    host.does(BY_HAND)
    state = host.state()
    assert state.staged is not None
    assert (state.staged.id, state.staged.digest, state.staged.position) == ("2", OFFER, Position.PENDING)
    assert state.deployments[0] == state.staged
    # Staged by us, it is one that the guard can watch.
    host.stage()
    assert host.default() == "1"
    staged = host.state().staged
    assert staged is not None
    assert (staged.id, staged.position) == ("3", Position.STAGED)


def test_the_next_boot_of_another_is_taken_back_and_its_snapshot_stays(host: Host) -> None:
    host.does(BY_HAND)
    host.does(DRIVER.unstage(host.state()).script)
    assert (host.state().staged, host.default()) == (None, "1")
    assert host.does("ls /.snapshots") == "1\n2\n"


def test_a_default_that_cannot_be_set_back_is_told_and_nothing_is_called_staged(host: Host) -> None:
    host.machine.order_fault("snapper", "modify", "lies")
    done = host.machine.run(DRIVER.stage(host.state(), OFFER, False))
    assert done.returncode == 1
    assert "cannot be made the next boot again; #2 is" in str(DRIVER.explain(host.state(), OFFER, done.stdout))
    staged = host.state().staged
    assert staged is not None
    assert staged.position is Position.PENDING


def test_records_spare_the_query_of_every_database(host: Host) -> None:
    host.state()
    host.stage()
    before = len([call for call in host.machine.calls() if call.startswith("rpm ")])
    assert len(host.state().deployments) == 2
    assert len([call for call in host.machine.calls() if call.startswith("rpm ")]) == before
    # Written to in between, a snapshot is looked at again.
    host.does("echo 'extra 1-1 noarch 1' >>/.snapshots/1/snapshot/usr/lib/sysimage/rpm/Packages.db")
    booted = host.state().booted
    assert booted is not None
    assert booted.digest not in (FAMILY.first["digest"], OFFER)


def test_an_older_version_needs_permission(host: Host) -> None:
    history = "https://mirror.example.org/history/20261120/oss/"
    host.does("echo https://mirror.example.org/history/20261120/oss/ 20261101 20261122 >/run/simhost/server.txt")
    host.does(f"sed -i 's|^baseurl=.*|baseurl={history}|' /etc/zypp/repos.d/repo-oss.repo")
    offer = host.does(f"{DRIVER.offer_probe().script}")
    assert offer == f"digest {OFFER}\nversion 20261101\n"
    done = host.machine.run(DRIVER.stage(host.state(), OFFER, False))
    assert "20261101 is older than 20261120, which runs; allow_downgrade" in done.stdout
    assert host.state().staged is None
    host.does(DRIVER.stage(host.state(), OFFER, True))
    staged = host.state().staged
    assert staged is not None
    assert staged.version == "20261101"


def test_rollback_is_the_tools_own(host: Host) -> None:
    host.does(BY_HAND)
    state = host.state()
    target = next(one for one in state.deployments if one.id == "1")
    host.does(DRIVER.roll_back(state, target).script)
    assert host.default() == "1"
    assert "transactional-update rollback 1" in host.machine.calls()
    assert host.state().staged is None
