# SPDX-License-Identifier: GPL-3.0-or-later
"""One episode: a fleet, a storm of faults over several runs, then calm, in which the rollout must come to its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.part import RUN_LEASE
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.word import Word, give

from . import wish
from .database import Database
from .faults import Dice, Fault
from .machine import GOOD, NO_NETWORK, PANICS, SICK, Machine
from .oracle import Oracle, Violation
from .run import NAME, Run, Stage
from .turn import Times
from .wish import Wish
from .world import Activity, World

# How often (s, on average, in the worst storm) the whole controller or the database is struck.
DATABASE_EVERY, CLOCK_EVERY, KILL_EVERY, SLEEP_EVERY, WORD_EVERY = 2000.0, 5000.0, 2500.0, 3000.0, 6000.0
# A jump of the clock, or a sleep, longer than what a lease has to spare, is outside of what is promised.
LONGEST_JUMP, LONGEST_SLEEP = 600.0, 600.0
# A person lets a rollout go on after this time (s) at most.
LONGEST_WORD = 4000.0
# In calm everything must be over after so many runs; many of them find hosts outside of their windows.
CALM_RUNS, CALM_RUNS_WITH_WINDOWS = 12, 60


@dataclass(frozen=True)
class Outcome:
    """What came of an episode. `done`: the hosts of the largest rollout that ended with every host confirmed;
    `brought_back`: how often a confirmed host was."""

    seed: str
    hosts: int
    strikes: Counter[Fault]
    violations: list[Violation]
    runs: int
    rollouts: int
    done: int
    brought_back: int
    reboots: int
    checks: int
    most_away: int
    seconds: float


class Episode:
    """`seed` decides everything. `hosts`: the size of the fleet; None lets the seed decide."""

    def __init__(self, seed: str, hosts: int | None = None) -> None:
        self.seed = seed
        self.dice = dice = Dice(seed, 0.0)
        self.world = World()
        self.database = Database(self.world, dice)
        self.versions = {"old": GOOD, "wrong": GOOD}
        random = dice.random
        variables = wish.fleet(random, hosts or wish.size(random))
        names = list(variables)
        on_failure = random.choice(wish.ON_FAILURE)
        self.machines: dict[str, Machine] = {}
        oracle = Oracle(self.world, self.database, self.machines, self.versions, variables, on_failure)
        for name in names:
            self.machines[name] = Machine(self.world, dice, name, "old", self.versions, oracle.told)
        self.stage = Stage(self.world, dice, self.database, oracle, self.machines, variables, Times(), {})
        self.storm = random.choice((0.3, 0.7, 1.0))
        dice.likely = 0.9 * self.storm
        policy = wish.policy(random, len(names), self.storm)
        forks = wish.forks(random, policy, len(names))
        pause_timeout = random.choice((900.0, 86400.0))
        self.wish = Wish(names, policy, self._publish(0.25), forks, on_failure, pause_timeout)
        self.storm_runs = random.randint(4, 12)
        self._over = False

    def play(self) -> Outcome:
        world = self.world
        world.watchers.append(self.stage.oracle.after_event)
        world.start(self._operate(), lambda: None if self._over else 0.0)
        for every, what in (
            (DATABASE_EVERY, self._database_goes_down),
            (CLOCK_EVERY, self._clock_jumps),
            (KILL_EVERY, self._kill),
            (SLEEP_EVERY, self._put_to_sleep),
            (WORD_EVERY, self._give_a_word),
        ):
            world.start(self._weather(every / self.storm, what), lambda: None if self.dice.calm else 0.0)
        while not self._over:
            world.run(world.now + 3600)
        oracle = self.stage.oracle
        (rollouts,) = self.database.read("select count(*) from rollouts")[0]
        (done,) = self.database.read(
            "select max(hosts) from (select count(*) hosts from rollouts join rollout_hosts on id = rollout_id "
            "where state = 'done' group by id)"
        )[0]
        (brought_back,) = self.database.read(
            "select count(*) from transitions where phase_before = 'returning' and phase = 'rolled_back'"
        )[0]
        return Outcome(
            self.seed,
            len(self.machines),
            self.dice.strikes,
            oracle.violations,
            len(self.stage.runs),
            rollouts,
            done or 0,
            brought_back,
            sum(one.boots_ordered for one in self.machines.values()),
            oracle.checks,
            oracle.most_away,
            world.now,
        )

    # -- the operator

    def _operate(self) -> Activity:
        random = self.dice.random
        for _run in range(self.storm_runs):
            asked = self.wish
            if random.random() < 0.15 * self.storm:
                self.dice.strike(Fault.LIMITED_RUN)
                asked = replace(asked, hosts=[one for one in asked.hosts if random.random() < 0.5] or asked.hosts[:1])
            run = self._start(asked)
            if random.random() < 0.3:
                self.world.after(random.uniform(0, 1500), self._second_run)
            if random.random() < 0.1 * self.storm:
                self.world.after(random.uniform(0, 3000), self._new_target)
            patience = self.world.now + RUN_LEASE + self.stage.times.lease + LONGEST_JUMP
            while run.alive and self.world.now < patience:
                yield 20.0
            self._react()
            if self._is_over():
                self.wish = replace(self.wish, offer=self._publish(0.25))
            yield random.uniform(10, 900)
        self.dice.calm = True
        while any(run.powered and not run.ended for run in self.stage.runs.values() if run.alive):
            yield 100.0
        for _run in range(CALM_RUNS_WITH_WINDOWS if "windows" in self.wish.policy else CALM_RUNS):
            # As long as a run that nobody heard of may count as alive, and its leases may hold.
            yield RUN_LEASE + self.stage.times.lease + LONGEST_JUMP
            for machine in self.machines.values():
                machine.repair()
            yield 2.0 * self.stage.times.confirm_within
            self._react()
            run = self._start(self.wish)
            while run.alive:
                yield 100.0
            if self._is_over():
                break
        alive = [run.controller for run in self.stage.runs.values() if run.alive]
        self.stage.oracle.finish(self.wish.offer, alive)
        self._over = True

    def _start(self, asked: Wish) -> Run:
        run = Run(self.stage, self.dice.random.choice(("here", "there")), asked)
        run.start()
        return run

    def _second_run(self) -> None:
        if not self.dice.calm:
            self.dice.strike(Fault.SECOND_CONTROLLER)
            self._start(self.wish)

    def _new_target(self) -> None:
        if not self.dice.calm:
            self.dice.strike(Fault.NEW_TARGET)
            self.wish = replace(self.wish, offer=self._publish(0.3))

    def _publish(self, bad: float) -> str:
        """Publish a version, bad with that chance; return its digest."""
        random = self.dice.random
        digest = f"v{len(self.versions)}"
        self.versions[digest] = random.choice((PANICS, NO_NETWORK, SICK)) if random.random() < bad else GOOD
        return digest

    def _react(self) -> None:
        """Do what the refusal of a quarantined version asks for: release it if it is good, publish another if not."""
        digests = {digest for (digest,) in self._quarantined()}
        if self.wish.offer not in digests or self.world.now < self.database.down_until:
            return
        if self.versions[self.wish.offer] == GOOD:
            with self.database.ledger.write() as writer:
                writer.release(self.wish.offer, "operator")
        else:
            self.wish = replace(self.wish, offer=self._publish(0.0 if self.dice.calm else 0.3))

    def _quarantined(self) -> list[tuple[Any, ...]]:
        return self.database.read("select digest from quarantine where released_at is null")

    def _is_over(self) -> bool:
        state = self.database.read("select state from rollouts order by id desc limit 1")
        return (
            bool(state)
            and state[0][0] == "done"
            and all(one.up and one.running == self.wish.offer for one in self.machines.values())
        )

    # -- the weather

    def _weather(self, every: float, what: Any) -> Activity:
        while True:
            yield self.dice.random.expovariate(1 / every)
            what()

    def _database_goes_down(self) -> None:
        self.dice.strike(Fault.DATABASE_DOWN)
        self.database.down_until = self.world.now + self.dice.random.uniform(3, 120)

    def _clock_jumps(self) -> None:
        forward = self.dice.random.random() < 0.5
        self.dice.strike(Fault.CLOCK_FORWARD if forward else Fault.CLOCK_BACK)
        self.database.ahead += self.dice.random.uniform(1, LONGEST_JUMP) * (1 if forward else -1)

    def _kill(self) -> None:
        alive = [run for run in self.stage.runs.values() if run.alive]
        if alive:
            power = self.dice.random.random() < 0.5
            self.dice.strike(Fault.CONTROLLER_LOST_POWER if power else Fault.CONTROLLER_KILLED)
            self.dice.random.choice(alive).kill(power)

    def _put_to_sleep(self) -> None:
        alive = [run for run in self.stage.runs.values() if run.alive]
        if alive:
            self.dice.strike(Fault.CONTROLLER_SLEEPS)
            run = self.dice.random.choice(alive)
            run.asleep_until = self.world.now + self.dice.random.uniform(5, LONGEST_SLEEP)

    def _give_a_word(self) -> None:
        """Pause or halt, whatever is under way, and let it go on later."""
        random = self.dice.random
        word = Word.PAUSED if random.random() < 0.7 else Word.HALTED
        try:
            changed, _sentence = give(self.database.ledger, NAME, word, "operator", "as simulated")
        except FlotillaError:  # nothing is under way, or the database is away
            return
        if changed:
            self.dice.strike(Fault.PAUSED if word is Word.PAUSED else Fault.HALTED)
            self.world.after(random.uniform(60, LONGEST_WORD), self._resume)

    def _resume(self) -> None:
        try:
            give(self.database.ledger, NAME, Word.RESUMED, "operator", "as simulated")
        except FlotillaError:
            if self.world.now < self.database.down_until:
                self.world.after(60.0, self._resume)
