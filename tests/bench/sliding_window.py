# SPDX-License-Identifier: GPL-3.0-or-later
"""Part W: a rollout in a sliding window against plain `serial` batches, on hosts whose reboot times vary.

First with real ansible-playbook, on stand-ins for the hosts that are away for as long as a seed has it: our playbook,
and a plain play that takes the same steps with them (plain.yml). Then in simulated time, with the real gate and ledger,
where nothing that Ansible costs blurs it. Both against what the times alone make possible.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "integration/rollout"))
from play import Play, copy_collection
from schedule import batches, bound, reboots, window
from simulated_rollout import simulate

# With real Ansible: so many hosts, so many away at a time, so long (s) are most of their reboots.
HOSTS, BUDGET, USUAL = 30, 5, (4.0, 20.0)
ROUNDS = 3
# How long (s) a playbook may take; they take about two minutes.
PATIENCE = 900
# In simulated time, with reboots as they are.
SIMULATED_HOSTS, BUDGETS = 1_000, (5, 20, 50, 100)
COLUMNS = f"{'':<26}{'batches':>10}{'window':>10}{'ratio':>8}"


def measure(rounds: int = ROUNDS) -> None:
    """Measure and print."""
    print(
        f"==> part W: sliding window against `serial: {BUDGET}`, {HOSTS} stand-ins, real ansible-playbook", flush=True
    )
    print(COLUMNS + "   seconds from the first turn to the last; ratio: batches to window", flush=True)
    ratios: list[tuple[float, float]] = []
    for number in range(1, rounds + 1):
        turns = reboots(HOSTS, f"W/{number}", USUAL)
        plain, ours = _played(turns, "plain"), _played(turns, "upgrade")
        slow, fast, least = batches(turns, BUDGET), window(turns, BUDGET), bound(turns, BUDGET)
        _row(f"round {number}: the turns", plain.turns, ours.turns)
        _row("  the whole playbook", plain.whole, ours.whole)
        _row("  the reboots alone", slow, fast)
        print(f"  {'no order is faster than':<24}{'':>10}{least:>10.1f}", flush=True)
        ratios.append((plain.turns / ours.turns, plain.whole / ours.whole))
    shown = [f"{statistics.median(some):.2f}" for some in zip(*ratios, strict=True)]
    print(f"median: the turns {shown[0]}, the whole playbook {shown[1]}\n")
    _simulated()


def _simulated() -> None:
    print(f"==> part W: the same in simulated time, {SIMULATED_HOSTS} hosts, reboots of 1 to 5 minutes, hours")
    print(f"{COLUMNS}{'bound':>10}   the window, against the bound", flush=True)
    turns = reboots(SIMULATED_HOSTS, "W")
    for budget in BUDGETS:
        policy = {"waves": ["100%"], "max_unavailable": budget, "max_failures": 0}
        slow, least = batches(turns, budget) / 3600, bound(turns, budget) / 3600
        fast = simulate(turns, policy, forks=budget).seconds / 3600
        name = f"max_unavailable {budget}"
        print(f"{name:<26}{slow:>10.2f}{fast:>10.2f}{slow / fast:>8.2f}{least:>10.2f}   {fast / least:.2f}", flush=True)
    print()


def _row(name: str, slow: float, fast: float) -> None:
    print(f"{name:<26}{slow:>10.1f}{fast:>10.1f}{slow / fast:>8.2f}", flush=True)


@dataclass(frozen=True)
class Took:
    """Seconds: of the playbook, and in it from the first step of the first turn to the last of the last."""

    whole: float
    turns: float


def _played(turns: Sequence[float], playbook: str) -> Took:
    """Upgrade stand-ins that are away for so long (s), by a playbook of ours or by plain.yml."""
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as name:
        collections, fleet = Path(name) / "collections", Path(name) / "fleet"
        fleet.mkdir()
        copy_collection(collections)
        into = collections / "ansible_collections/flotilla/container_os/playbooks"
        shutil.copy(Path(__file__).with_name("plain.yml"), into)
        play = Play(collections, fleet, len(turns))
        for host, away in zip(play.hosts, turns, strict=True):
            path = fleet / f"{host}.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "reboot": away}))
        variables: dict[str, Any] = {
            "budget": BUDGET,
            "upgrade_waves": ["100%"],
            "upgrade_max_unavailable": BUDGET,
            "upgrade_max_failures": 0,
        }
        began = time.monotonic()
        process = play.start(playbook=playbook, **variables)
        try:
            output, _error = process.communicate(timeout=PATIENCE)
        except BaseException:
            play.kill(process)
            raise
        whole = time.monotonic() - began
        assert process.returncode == 0, output
        assert set(play.versions().values()) == {"2"}, f"{playbook} has not upgraded every host"
        events = [json.loads(line) for line in (fleet / "events.jsonl").read_text().splitlines()]
        first = min(one["at"] for one in events if one["event"] == "baseline")
        last = max(one["at"] for one in events if one["event"] == "confirmed")
        return Took(whole, last - first)


if __name__ == "__main__":
    measure()
