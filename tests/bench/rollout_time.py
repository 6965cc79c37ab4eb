# SPDX-License-Identifier: GPL-3.0-or-later
"""The wall time of a rollout on the lab machines against its lower bound: the slowest staging, and per wave the slowest
bare reboot, measured on the same machines. And against the same by hand: that staging, and per wave the slowest reboot
into what is staged until its workload answers, for which a rollout has to wait, whoever drives it. And how many tasks
and round trips each play of site.yml costs a host."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from fleet import HOSTS, LAB, Fleet

WAVES = (("lab1",), ("lab2", "lab3"))
# Print the boot id as soon as there is a login, or as soon as the workload answers, too.
LOGIN = "cat /proc/sys/kernel/random/boot_id"
HEALTHY = f"curl -sf -o /dev/null http://127.0.0.1:8080/health && {LOGIN}"
# How long (s) a poll may take.
POLL = 4


def measure() -> None:
    """Measure and print. The machines are made for it and removed afterwards."""
    print("==> part B: a rollout of three machines (about ten minutes)", flush=True)
    fleet = Fleet()
    fleet.set_up()
    try:
        fleet.restore()
        bare = [_reboot(fleet, wave, LOGIN) for wave in WAVES]
        print(f"    bare reboots, the slowest of each wave: {_seconds(bare)}", flush=True)
        fleet.restore()
        staged = _timed(fleet, "../tests/bench/stage_only")
        print(f"    staging on all machines: {staged:.1f} s", flush=True)
        by_hand = [_reboot(fleet, wave, HEALTHY) for wave in WAVES]
        print(f"    reboots into it until the workload answers, of each wave: {_seconds(by_hand)}", flush=True)
        fleet.restore()
        whole = _timed(fleet, "upgrade")
        least, hand = staged + sum(bare), staged + sum(by_hand)
        print(f"rollout {whole:.1f} s; lower bound {least:.1f} s: {whole / least:.2f} (goal: at most 1.15); ", end="")
        print(f"by hand, without guard, proof and ledger {hand:.1f} s: {whole / hand:.2f}", flush=True)
        fleet.restore()
        _count(fleet)
    finally:
        fleet.tear_down()


def _reboot(fleet: Fleet, hosts: tuple[str, ...], ready: str) -> float:
    """Reboot `hosts` at once with nothing but ssh; return the time until `ready` says so of the last of them."""
    before = {host: fleet.shell(host, LOGIN) for host in hosts}
    began = time.monotonic()
    for host in hosts:
        fleet.shell(host, "systemctl --no-block reboot")
    waiting = set(hosts)
    while waiting and time.monotonic() - began < 300:
        waiting = {host for host in waiting if not _is_back(fleet, host, before[host], ready)}
        time.sleep(0.2)
    assert not waiting, f"{waiting} did not come back"
    return time.monotonic() - began


def _is_back(fleet: Fleet, host: str, boot_id_before: str, ready: str) -> bool:
    try:
        # A question that meets the old system on its way down is never answered: short patience, and another one.
        return fleet.shell(host, ready, patience=POLL) != boot_id_before
    except (AssertionError, subprocess.TimeoutExpired):
        return False


def _seconds(times: list[float]) -> str:
    return ", ".join(f"{took:.1f} s" for took in times)


def _timed(fleet: Fleet, playbook: str) -> float:
    began = time.monotonic()
    fleet.good(playbook)
    return time.monotonic() - began


def _count(fleet: Fleet) -> None:
    """Run site.yml with an ssh that counts, and a callback that counts tasks; print both per host and play."""
    folder = Path(__file__).parent
    counter, tasks = LAB / "ssh.count", LAB / "tasks.count"
    for path in (counter, tasks):
        path.unlink(missing_ok=True)
    os.environ.update(
        ANSIBLE_SSH_EXECUTABLE=str(folder / "counting_ssh.sh"),
        FLOTILLA_SSH_COUNT=str(counter),
        FLOTILLA_TASK_COUNT=str(tasks),
        ANSIBLE_CALLBACK_PLUGINS=str(folder / "callback"),
        ANSIBLE_CALLBACKS_ENABLED="count_tasks",
    )
    Fleet().good("site")
    done, skipped = Counter[str](), Counter[str]()
    for line in tasks.read_text().splitlines():
        play, host, state = line.split("\t")
        if host in HOSTS:
            (skipped if state == "skipped" else done)[play] += 1
    trips = len(counter.read_text().splitlines())
    print(f"\n{'play of site.yml, per host':<50}{'tasks':>8}{'skipped':>9}")
    for play in dict.fromkeys([*done, *skipped]):
        print(f"{play:<50}{done[play] / len(HOSTS):>8.1f}{skipped[play] / len(HOSTS):>9.1f}")
    print(f"ssh round trips per host, the whole of site.yml with its polls: {trips / len(HOSTS):.1f}\n")
