# SPDX-License-Identifier: GPL-3.0-or-later
"""Part C: operations of the ledger per second, on SQLite and on a PostgreSQL that waits for its disk.

The first question is what a host asks that has just come to the gate: all is read. Then it asks again and again, and
reads what has changed: nothing, or one host. A turn is an admission and its end, each with all its transitions.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / ".collections"))
sys.path.insert(0, str(Path(__file__).parents[1] / "databases"))
from postgresql import Server

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.conduct import Conductor
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left

FLEETS = (100, 1000, 10_000)
# Each operation is repeated for about this time (s).
SPAN = 2.0
OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
OPERATIONS = ("first question", "question, nothing new", "question, one change", "turn")


def measure(fleets: tuple[int, ...] = FLEETS) -> None:
    """Measure and print. The server is made for it and removed afterwards."""
    print("==> part C: the ledger, operations per second, one process")
    print(f"{'hosts':>6}  {'operation':<24}{'SQLite':>10}{'PostgreSQL':>12}{'ratio':>8}", flush=True)
    server = Server(durable=True)
    try:
        for hosts in fleets:
            with tempfile.TemporaryDirectory() as folder:
                sqlite = _rates(f"sqlite:///{folder}/ledger.sqlite", hosts)
            postgresql = _rates(server.new_database(), hosts)
            for name in OPERATIONS:
                ratio = postgresql[name] / sqlite[name]
                print(f"{hosts:>6}  {name:<24}{sqlite[name]:>10.0f}{postgresql[name]:>12.0f}{ratio:>8.2f}", flush=True)
    finally:
        server.remove()


def _rates(url: str, hosts: int) -> dict[str, float]:
    conductor = Conductor(Ledger(url), "upgrade", "bench", lambda _controller: False)
    names = [f"h{number:05}" for number in range(hosts)]
    fleet = [Seen(name, driver="ostree", booted=OLD, offer=NEW) for name in names]
    conductor.plan(fleet, Policy.parse({"waves": ["100%"], "max_unavailable": "50%", "max_failures": 0}), check=False)
    state = {"staged": {"digest": NEW.digest}, "booted": {"digest": OLD.digest}}
    conductor.staged({name: {"host_state": state, "msg": "staged"} for name in names})
    other, turns = Ledger(url), iter(names)

    def first_question() -> None:
        _ask(Ledger(url), names[-1])

    def change_and_question() -> None:
        with other.write() as writer:
            record = writer.rollout("upgrade")
            assert record is not None
            writer.move(record, names[-2], Phase.STAGED, "again", "other")
        _ask(conductor.ledger, names[-1])

    def turn() -> None:
        host = next(turns)
        given = conductor.enter(host, 600, _NoWait(), lambda _text: None)
        conductor.leave(host, Left(Phase.CONFIRMED, "confirmed"), given["token"])

    return {
        "first question": _rate(first_question),
        "question, nothing new": _rate(lambda: _ask(conductor.ledger, names[-1])),
        "question, one change": _rate(change_and_question),
        "turn": _rate(turn, most=hosts - 2),
    }


def _ask(ledger: Ledger, host: str) -> None:
    with ledger.write() as writer:
        record = writer.rollout("upgrade")
        assert record is not None
        ask(record, host, writer.now, lambda _controller: False)


def _rate(act: Callable[[], None], most: int = 1_000_000) -> float:
    """Return how often `act` can be done in a second."""
    began, done = time.perf_counter(), 0
    while done < most and (took := time.perf_counter() - began) < SPAN:
        act()
        done += 1
    return done / (took if took >= SPAN else time.perf_counter() - began)


class _NoWait:
    """The clock of a gate that never makes anybody wait."""

    def monotonic(self) -> float:
        return 0.0

    def time(self) -> float:
        return 0.0

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError(f"the gate wants to wait {seconds} s")


if __name__ == "__main__":
    measure()
