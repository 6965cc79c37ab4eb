# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the upgrade playbook on a simulated controller: it calls the real conductor as the real tasks do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import back, conduct, patience, turn
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import LedgerGone
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import seen
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.part import RUN_LEASE
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.permission import Permits
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.taking_up import Planned

from .database import Database, Killed
from .faults import Dice, Fault
from .machine import Machine
from .oracle import Oracle
from .turn import POLL, Hands, Permit, Result, Times
from .world import Activity, World

NAME = "upgrade"
# Seconds. A waiting host asks at least this often; between two questions without any change the answer is the same.
START, ROUND, REACH, ASK_AT_LEAST = 10.0, 5.0, 120.0, 110.0


@dataclass(frozen=True)
class Stage:
    """Where runs take place. `variables`: of each host. `runs`: every run that there ever was, by its controller."""

    world: World
    dice: Dice
    database: Database
    oracle: Oracle
    machines: Mapping[str, Machine]
    variables: Mapping[str, Mapping[str, str]]
    times: Times
    runs: dict[str, Run]


class Wish(Protocol):
    """What a run is asked for: `hosts` in their order, `policy`, what the channel offers, and how many workers.

    `on_failure` and `pause_timeout` (s) as the role has them.
    """

    hosts: Sequence[str]
    policy: Mapping[str, Any]
    offer: str
    forks: int
    on_failure: str
    pause_timeout: float


class Run:
    """`place`: the machine of the controller. That a run is dead can be seen from its own place only."""

    def __init__(self, stage: Stage, place: str, wish: Wish) -> None:
        self.stage, self.place, self.wish = stage, place, wish
        self.controller = f"{place}:{len(stage.runs)}"
        stage.runs[self.controller] = self
        self.alive = True  # the ansible-playbook
        self.powered = True  # and its workers
        self.ended = False
        self.refusal: str | None = None
        self.asleep_until = 0.0
        self._queue: list[str] = []
        self._working = 0
        self._targets: dict[str, str] = {}
        self._conductor = conduct.Conductor(stage.database.ledger, NAME, self.controller, self._is_gone)
        self._permits = Permits(stage.database.ledger, NAME, self.controller, self._is_gone)
        self._way_back = back.WayBack(stage.database.ledger, NAME, self.controller, self._is_gone)
        self._hands = Hands(
            stage.world,
            stage.dice,
            stage.times,
            may_go_on=lambda: self.alive,
            orders=lambda host: stage.oracle.orders(self.controller, host),
            rolls_back=wish.on_failure != "stop",
        )

    def start(self) -> None:
        self.stage.world.start(self._play(), lambda: self._delay() if self.alive else None)

    def kill(self, power: bool) -> None:
        """Kill the ansible-playbook; with `power` its workers too, else they finish the task that they are at."""
        self.alive = False
        self.powered = self.powered and not power
        self.stage.oracle.died(self.controller, workers_too=power)

    def monotonic(self) -> float:
        return self.stage.world.now

    time = monotonic

    def sleep(self, _seconds: float, /) -> None:
        raise AssertionError("a simulated controller never blocks")

    def _delay(self) -> float:
        return max(0.0, self.asleep_until - self.stage.world.now)

    def _is_gone(self, controller: str) -> bool:
        other = self.stage.runs[controller]
        return other.place == self.place and not other.alive

    def _use(self, call: Any) -> Any:
        try:
            return self.stage.database.use(call)
        except Killed:
            self.kill(power=False)
            raise

    # -- the playbook

    def _play(self) -> Activity:
        try:
            yield from self._playbook()
        except Killed:
            return
        except FlotillaError as exc:
            self.refusal = str(exc)
        self.ended = True
        self.alive = False

    def _playbook(self) -> Activity:
        yield START
        policy = Policy.parse(self.wish.policy)
        results = yield from self._observe()
        fleet = [seen(host, result, self.stage.variables[host]) for host, result in results.items()]
        self.stage.oracle.observed(self.wish.policy, [one.host for one in fleet if one.trouble is not None])
        planned = self._use(lambda: self._conductor.plan(fleet, policy, False))
        self._targets = {one["host"]: one["target"]["digest"] for wave in planned.document["waves"] for one in wave}
        if planned.order:
            yield from self._stage_and_turn(planned)
        yield ROUND
        yield from self._bring_back()
        yield ROUND
        self._use(self._conductor.end)

    def _observe(self) -> Generator[float, None, dict[str, Result]]:
        """Each host is given REACH seconds to answer."""
        results: dict[str, Result] = {}
        for more in (0.0, 0.5 * REACH, 0.5 * REACH):
            missing = [host for host in self.wish.hosts if "host_state" not in results.get(host, {})]
            if missing:
                yield ROUND + more
            for host in missing:
                results[host] = self._hands.observe(self.stage.machines[host], self.wish.offer)
        return results

    def _stage_and_turn(self, planned: Planned) -> Activity:
        machines = self.stage.machines
        yield ROUND
        results = {host: self._hands.stage(machines[host], self._targets[host]) for host in planned.order}
        yield 4 * ROUND
        try:
            self._use(lambda: self._conductor.staged(results))
        except FlotillaError:
            return  # the play ends here; the books are closed all the same
        yield from self._all(planned.order, self._one)

    def _bring_back(self) -> Activity:
        try:
            targets = self._use(lambda: self._way_back.recall(back.OnFailure(self.wish.on_failure)))
        except FlotillaError:
            return  # the play ends here; the books are closed all the same
        self.stage.oracle.recalled(self.controller)
        yield from self._all(list(targets), lambda host: self._one_back(host, targets[host]))

    def _all(self, hosts: Sequence[str], each: Callable[[str], Activity]) -> Activity:
        """A play over `hosts`: as many workers as there are forks."""
        self._queue = list(hosts)[::-1]
        for _worker in range(min(self.wish.forks, len(self._queue))):
            self._working += 1
            self.stage.world.start(self._work(each), lambda: self._delay() if self.powered else None)
        while self._working:
            yield ROUND

    def _work(self, each: Callable[[str], Activity]) -> Activity:
        """A worker: as `host_pinned` has it, one host after the other, each from the gate to its end."""
        while self.alive and self._queue:
            host = self._queue.pop()
            try:
                yield from each(host)
            except Killed:
                return
            except FlotillaError:
                pass  # shown in red; the other hosts go on
        self._working -= 1

    def _one(self, host: str) -> Activity:
        stage = self.stage
        asking = self._conductor.entering(host, stage.times.lease, self, lambda _text: None, self.wish.pause_timeout)
        admitted = yield from self._wait(asking)
        if not admitted["admitted"]:
            return
        stage.oracle.admitted(self.controller, host, admitted["token"], self._targets[host])
        try:
            permit = self._permit(host, admitted["token"])
            results = yield from self._hands.turn(stage.machines[host], self._targets[host], permit)
            if results is None:
                return
            yield from self._may_oversleep(host, "leave")
            left = turn.left(results)
            yield from self._recorded(host, lambda: self._conductor.leave(host, left, admitted["token"]))
        finally:
            stage.oracle.over(self.controller, host)

    def _one_back(self, host: str, digest: str) -> Activity:
        stage = self.stage
        asking = self._way_back.entering(host, stage.times.lease, self, lambda _text: None, self.wish.pause_timeout)
        admitted = yield from self._wait(asking)
        if not admitted["admitted"]:
            return
        stage.oracle.let_back(self.controller, host, admitted["token"])
        try:
            permit = self._permit(host, admitted["token"])
            results = yield from self._hands.way_back(stage.machines[host], self._targets[host], permit, digest)
            if results is not None:
                yield from self._recorded(host, lambda: self._way_back.back(host, results, admitted["token"]))
        finally:
            stage.oracle.over(self.controller, host)

    def _permit(self, host: str, token: int) -> Permit:
        """As `Permission.until`: the lease begins anew when the ledger gives leave to tell `host` to reboot."""
        lease = self.stage.times.lease

        def permit(into_target: bool) -> Generator[float, None, float]:
            yield from self._may_oversleep(host, "ask")
            asked = self.stage.world.now
            seconds = yield from self._recorded(host, lambda: self._permits.renew(host, token, lease, into_target))
            self.stage.oracle.renewed(self.controller, host, token)
            yield from self._may_oversleep(host, "order")
            return asked + float(seconds)

        return permit

    def _may_oversleep(self, host: str, step: str) -> Activity:
        """Sleep longer than the lease of `host`, if that is what strikes at `step`. Raises Killed."""
        stage = self.stage
        if stage.dice.at(step) is not Fault.CONTROLLER_OVERSLEEPS:
            return
        stage.dice.strike(Fault.CONTROLLER_OVERSLEEPS)
        # It wakes at the worst moment, when another run has the host in hand, if there is one.
        yield stage.times.lease
        asleep_until = stage.world.now + 2.0 * RUN_LEASE
        while self.alive and stage.world.now < asleep_until:
            if stage.oracle.in_other_hands(self.controller, host):
                return
            yield POLL
        if not self.alive:
            raise Killed

    def _recorded(self, host: str, act: Callable[[], Any]) -> Generator[float, None, Any]:
        """Return what `act` gives, as `patience.until_recorded` does, which would block."""
        began = self.stage.world.now
        for attempt in itertools.count():
            try:
                return self._use(act)
            except LedgerGone:
                seconds = patience.pause(host, attempt)
                if self.stage.world.now - began + seconds > patience.RECORD_PATIENCE:
                    raise
            yield seconds
            if not self.alive:
                raise Killed

    def _wait(self, asking: Any) -> Any:
        database = self.stage.database
        while True:
            try:
                pause = self._use(lambda: next(asking))
            except StopIteration as end:
                return end.value
            waited, standing = 0.0, database.standing
            while True:
                yield pause
                waited += pause
                if database.standing != standing or waited >= ASK_AT_LEAST:
                    break
