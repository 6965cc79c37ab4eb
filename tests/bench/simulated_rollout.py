# SPDX-License-Identifier: GPL-3.0-or-later
"""Part S: what a host of a rollout costs the controller, in CPU time, for fleets that grow tenfold.

Planner, conductor, gate and ledger (SQLite, in a file) are the real ones, and each task opens the ledger anew, as the
workers of Ansible do. Hosts and time are simulated; only the calls of the product are measured. Ansible itself costs
the same for every host: part A.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / ".collections"))
sys.path.insert(0, str(Path(__file__).parents[1] / "simulator"))
import sqlalchemy as sa
from schedule import reboots
from simulated.world import Activity, World

from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.controller import is_gone, this_controller
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import DONE, Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import left

FLEETS = (100, 1_000, 10_000)
BUDGET = 20
# Beside those that are away, so many workers have a host that waits at the gate.
WAITING = 1
# Waves, soaks, groups: all that the gate has to look at. No group is ever full before the fleet's budget is.
POLICY: dict[str, Any] = {
    "waves": ["10%", "100%"],
    "wave_soak": 60,
    "max_unavailable": BUDGET,
    "max_failures": 2,
    "max_unavailable_per": {"rack": 5},
}
HOSTS_OF_A_RACK = 10
LEASE = 3600
BEGAN = datetime(2030, 1, 1)
OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
STAGED = {"host_state": {"staged": {"digest": NEW.digest}, "booted": {"digest": OLD.digest}}, "msg": "staged"}
GOOD_TURN: dict[str, dict[str, Any]] = {
    "baseline": {"verdict": {"healthy": True}},
    "boot": {"boot": {}, "phase": "booted", "msg": "on trial"},
    "verdict": {"verdict": {"healthy": True}, "msg": "healthy"},
    "confirm": {"msg": "confirmed"},
}
# What each task of the playbook calls, and the questions of a host that waits, which asks again every two seconds.
STEPS = ("plan", "staged", "first question", "questions again", "leave", "end")


def measure(fleets: tuple[int, ...] = FLEETS) -> None:
    """Measure and print."""
    print(f"==> part S: simulated rollouts, {BUDGET} away at a time, {WAITING} waiting; CPU of the controller")
    print(
        f"{'hosts':>6}  {'step':<18}{'per host':>10}{'ms each':>9}{'ms/host':>9}   ms/host, against the first",
        flush=True,
    )
    first: dict[str, float] = {}
    for hosts in fleets:
        done = simulate(reboots(hosts, "S"), POLICY, BUDGET + WAITING)
        spent = {step: (done.calls[step], done.cpu[step] * 1000) for step in STEPS}
        spent["all"] = (hosts, sum(done.cpu.values()) * 1000)
        for step, (calls, cpu) in spent.items():
            each = cpu / hosts
            against = each / first.setdefault(step, each)
            print(
                f"{hosts:>6}  {step:<18}{calls / hosts:>10.3f}{cpu / max(1, calls):>9.2f}{each:>9.2f}   "
                f"{against:.2f} x",
                flush=True,
            )
    print(
        "(flat: the last column stays near 1; at the end of a wave all workers wait, which a small fleet feels more)\n"
    )


@dataclass
class Done:
    """A simulated rollout. `seconds`: simulated, from the first turn to the last; `calls`, `cpu` (s): by step."""

    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))


def simulate(turns: Sequence[float], policy: Mapping[str, Any], forks: int) -> Done:
    """Roll out to one host for each of `turns` (how long it is away, s), with so many workers, to its good end."""
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
        return _Rollout(f"sqlite:///{folder}/ledger.sqlite", turns, policy, forks).run()


class _Rollout:
    """One run of the upgrade playbook: a play that plans and stages, workers that take hosts through their turns."""

    def __init__(self, url: str, turns: Sequence[float], policy: Mapping[str, Any], forks: int) -> None:
        self._url, self._policy, self._forks = url, Policy.parse(policy), forks
        self._takes = {f"h{number:06}": takes for number, takes in enumerate(turns)}
        self._world = World()
        self._queue: list[str] = []
        self._done = Done()

    def run(self) -> Done:
        with self._measured("plan"):
            planned = self._conductor(create=True).plan(self._fleet(), self._policy, check=False)
        with self._measured("staged"):
            self._conductor().staged(dict.fromkeys(planned.order, STAGED))
        self._queue = list(planned.order)[::-1]
        for _worker in range(self._forks):
            self._world.start(self._work(), lambda: 0.0)
        self._world.run()
        self._done.seconds = self._world.now
        with self._measured("end"):
            record = self._conductor().end()
        assert record is not None and record.state == DONE, f"the rollout ended {record and record.state}"
        return self._done

    def _fleet(self) -> list[Seen]:
        racks = max(1, len(self._takes) // HOSTS_OF_A_RACK)
        return [
            Seen(host, driver="ostree", booted=OLD, offer=NEW, variables={"rack": f"r{number % racks}"})
            for number, host in enumerate(self._takes)
        ]

    def _work(self) -> Activity:
        """A worker, as `host_pinned` has it: one host after the other, each from the gate to its end."""
        while self._queue:
            host = self._queue.pop()
            token = yield from self._enter(host)
            yield self._takes[host]
            with self._measured("leave"):
                self._conductor().leave(host, left(GOOD_TURN), token)

    def _enter(self, host: str) -> Generator[float, None, int]:
        step = "first question"
        asking: Generator[float, None, dict[str, Any]] | None = None
        while True:
            try:
                with self._measured(step):
                    asking = asking or self._conductor().entering(host, LEASE, self, lambda _text: None)
                    pause = next(asking)
            except StopIteration as end:
                return int(end.value["token"])
            yield pause
            step = "questions again"

    def _conductor(self, create: bool = False) -> Conductor:
        """Open the ledger, as each task does. Its clock is the simulation's."""
        ledger = Ledger(self._url, create=create)
        sa.event.listen(ledger._database._engine, "connect", self._set_clock)
        return Conductor(ledger, "upgrade", this_controller(), is_gone)

    def _set_clock(self, connection: Any, _record: Any) -> None:
        # SQLite asks a function of that name for its CURRENT_TIMESTAMP.
        connection.create_function("current_timestamp", 0, self._timestamp)

    def _timestamp(self) -> str:
        return (BEGAN + timedelta(seconds=int(self._world.now))).strftime("%Y-%m-%d %H:%M:%S")

    @contextmanager
    def _measured(self, step: str) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self._done.cpu[step] += time.process_time() - began
            self._done.calls[step] += 1

    # -- the clock of the gate

    def monotonic(self) -> float:
        return self._world.now

    time = monotonic

    def sleep(self, _seconds: float, /) -> None:
        raise AssertionError("a simulated controller never blocks")


if __name__ == "__main__":
    measure()
