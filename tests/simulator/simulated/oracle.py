# SPDX-License-Identifier: GPL-3.0-or-later
"""What must never happen, judged by the truth of the machines and by the committed rows, not by the code under test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase, may_go

from .database import Database
from .limits import Limits, Variables
from .machine import GOOD, Machine
from .world import World

IN_FLIGHT = {"guarded", "activating", "booted", "healthy", "returning"}
BAD = {"rolled_back", "failed", "unreachable"}


@dataclass(frozen=True)
class Violation:
    """`rule` is one of the names in docs/simulator.md; `at` in seconds of simulated time."""

    rule: str
    text: str
    at: float


@dataclass(frozen=True)
class Turn:
    """A turn that somebody is at. `lease_until` by the database's clock."""

    controller: str
    token: int
    lease_until: int


@dataclass
class Books:
    """What the oracle keeps of one rollout: the limits that follow from the policy, and the rows so far.

    `confirmed_at` by the database's clock; `word`: of a person, that is in force; `recalled`: was anybody ever?
    """

    limits: Limits
    wave: dict[str, int]
    target: dict[str, str]
    way_back: dict[str, str]
    phase: dict[str, str]
    token: dict[str, int]
    confirmed_at: dict[str, int]
    word: str | None = None
    recalled: bool = False

    @property
    def bad(self) -> list[str]:
        return [host for host, phase in self.phase.items() if phase in BAD]


class Oracle:
    """Called by those who act, and after every event. `violations` is empty when all is well."""

    def __init__(
        self,
        world: World,
        database: Database,
        machines: Mapping[str, Machine],
        versions: Mapping[str, str],
        variables: Variables,
        on_failure: str,
    ) -> None:
        self._world, self._database, self._machines, self._versions = world, database, machines, versions
        self._variables, self._on_failure = variables, on_failure
        self.violations: list[Violation] = []
        self.checks = 0
        self.most_away = 0
        self._turns: dict[str, dict[str, Turn]] = {}  # host to controller to turn
        self._dead: set[str] = set()  # runs that are dead; their workers may still be at something
        self._canary: dict[str, bool] = {}  # host: was its last turn one of the first wave?
        self._believed: set[str] = set()  # bad versions that a host has called good
        self._books: dict[int, Books] = {}
        self._policy: tuple[Mapping[str, Any], list[str]] | None = None
        self._row = self._word_row = 0
        self._changes = -1

    # -- told by who acts

    def observed(self, policy: Mapping[str, Any], missing: list[str]) -> None:
        """A run is about to plan with that policy, and could not observe these hosts."""
        self._policy = (policy, missing)

    def admitted(self, controller: str, host: str, token: int, target: str) -> None:
        """The gate has let `host` through."""
        self.after_event()
        rollout, books = self._newest()
        wave = books.wave[host]
        before = self._taken(rollout, books, controller, host, token)
        if books.word == "halted" or (books.word is not None and before == "staged"):
            self._violated("word", f"{host} ({before}) is let through, and the rollout is {books.word}")
        if self._database.read("select 1 from quarantine where digest = ? and released_at is null", target):
            self._violated("quarantine", f"{host} is let through to {target}, which is in quarantine")
        self._canary[host] = wave == 1
        if before == "staged":
            self._opened(books, host, wave)
        self._budget(books, f"{host} was let through")

    def let_back(self, controller: str, host: str, token: int) -> None:
        """The gate has let `host` go back."""
        self.after_event()
        rollout, books = self._newest()
        before = self._taken(rollout, books, controller, host, token)
        if books.word is not None:
            self._violated("word", f"{host} ({before}) goes back, and the rollout is {books.word}")
        self._budget(books, f"{host} goes back")

    def recalled(self, controller: str) -> None:
        """A run has seen to it that everybody goes back who must."""
        self.after_event()
        rollout, books = self._newest()
        part = "select 1 from rollout_runs where rollout_id = ? and controller = ?"
        left_out = self._to_recall(rollout, books) if self._database.read(part, rollout, controller) else set()
        if left_out:
            self._violated("recall", f"{sorted(left_out)[:5]} must go back, and stay")

    def _taken(self, rollout: int, books: Books, controller: str, host: str, token: int) -> str:
        """A run has `host` in hand from now on. Returns the phase that the host was in before."""
        [(lease_until,)] = self._database.read(
            "select lease_until from rollout_hosts where rollout_id = ? and host = ?", rollout, host
        )
        for other in self._holders(host):
            if other.controller != controller:
                self._violated("two leases", f"{host} is let through for {controller} and in the hands of {other}")
        if token <= books.token.get(host, 0):
            self._violated("two leases", f"token {token} of {host} was given before")
        books.token[host] = token
        # A turn that was taken over is in nobody's hands any more. Whoever still is at it can do harm all the same: the
        # truth of the machine tells.
        self._turns[host] = {controller: Turn(controller, token, lease_until)}
        [(before,)] = self._database.read(
            "select phase_before from transitions where rollout_id = ? and host = ? order by id desc limit 1",
            rollout,
            host,
        )
        return str(before)

    def renewed(self, controller: str, host: str, token: int) -> None:
        """The ledger has given leave to tell `host` to reboot, and begun its lease anew."""
        rollout, _books = self._newest()
        [(newest, lease_until)] = self._database.read(
            "select token, lease_until from rollout_hosts where rollout_id = ? and host = ?", rollout, host
        )
        if newest != token:
            self._violated("two leases", f"{controller} may reboot {host} by token {token}; token {newest} was given")
        if controller in self._turns.get(host, {}):
            self._turns[host][controller] = Turn(controller, token, lease_until)

    def orders(self, controller: str, host: str) -> None:
        """`controller` tells `host` to reboot, from this moment on."""
        self.after_event()
        turn = self._turns.get(host, {}).get(controller)
        if turn is None or turn.lease_until < self._database.now:
            self._violated("two leases", f"{controller} tells {host} to reboot, and has it in hand no more")

    def over(self, controller: str, host: str) -> None:
        """The turn of `host` has ended for `controller`, however it did."""
        self._turns.get(host, {}).pop(controller, None)

    def in_other_hands(self, controller: str, host: str) -> bool:
        """Tell whether another living run holds `host`."""
        return any(one.controller != controller for one in self._holders(host))

    def died(self, controller: str, workers_too: bool) -> None:
        """A run is dead, and so are its leases. What a worker of it is still at counts as away."""
        self._dead.add(controller)
        if workers_too:
            for turns in self._turns.values():
                turns.pop(controller, None)

    def told(self, what: str, machine: Machine) -> None:
        """A machine tells what happens to it."""
        if what == "told to reboot":
            _rollout, books = self._newest()
            phase = books.phase[machine.name]
            if phase == "confirmed":
                self._violated("second reboot", f"{machine.name} is confirmed and was told to reboot")
            elif phase not in IN_FLIGHT:
                self._violated("not recorded", f"{machine.name} was told to reboot, and is on record as {phase}")
            self._budget(books, f"{machine.name} was told to reboot")
        elif what == "lies about its version":
            self._believed.add(machine.running)
        elif what == "boots the target":
            target = str(machine.armed)
            bad = self._versions[target] != GOOD and target not in self._believed
            if bad and not self._canary.get(machine.name, False):
                self._violated("canary", f"{machine.name} is no canary and boots {target}: {self._versions[target]}")

    # -- after every event

    def after_event(self) -> None:
        """Read the rows that were committed since, and judge each."""
        if self._database.changes == self._changes:
            return
        self._changes = self._database.changes
        for (rollout,) in self._database.read("select id from rollouts where id > ?", max(self._books, default=0)):
            self._open_books(rollout)
        rows = self._database.read(
            "select id, rollout_id, host, phase_before, phase, controller from transitions where id > ? order by id",
            self._row,
        )
        recalled: set[str] = set()  # of those rows; they are decided at once
        for row, rollout, host, before, phase, controller in rows:
            self._row = row
            books = self._books[rollout]
            if phase == "recalled" and before == "confirmed" and not recalled:
                recalled = {one[2] for one in rows if one[1] == rollout and one[3:5] == (before, phase)}
                self._recalled(rollout, books, recalled)
            self._transition(books, host, before, phase, controller)
        words = self._database.read("select id, rollout_id, word from rollout_words where id > ?", self._word_row)
        for row, rollout, word in words:
            self._word_row = row
            self._books[rollout].word = None if word == "resumed" else word

    def _open_books(self, rollout: int) -> None:
        assert self._policy is not None
        policy, missing = self._policy
        # (A pause ends with the rollout: hosts in flight go on, and may be the last ones.)
        done = self._database.read("select id from rollouts where id < ? and state = 'done'", rollout)
        if self._books and self._newest()[1].word is not None and (self._newest()[0],) not in done:
            self._violated("word", f"rollout {rollout} takes the place of one that is {self._newest()[1].word}")
        rows = self._database.read("select host, wave, target from rollout_hosts where rollout_id = ?", rollout)
        plan = json.loads(self._database.read("select plan from rollouts where id = ?", rollout)[0][0])
        self._books[rollout] = Books(
            Limits.of(policy, [row[0] for row in rows], missing, self._variables),
            {host: wave for host, wave, _target in rows},
            {host: target for host, _wave, target in rows},
            {one["host"]: one["rollback_to"]["digest"] for wave in plan["waves"] for one in wave},
            {host: "steady" for host, _wave, _target in rows},
            {},
            {},
        )

    def _recalled(self, rollout: int, books: Books, hosts: set[str]) -> None:
        self.checks += 1
        books.recalled = True
        expected = self._to_recall(rollout, books)
        if hosts != expected:
            self._violated("recall", f"{sorted(hosts)[:9]} go back; {sorted(expected)[:9]} must")

    def _to_recall(self, rollout: int, books: Books) -> set[str]:
        """Return the confirmed hosts that must go back, by what upgrade_on_failure promises."""
        if books.word is not None or books.limits.failed_too_often(books.bad) is None:
            return set()
        had_a_turn = self._database.read(
            "select host from rollout_hosts where rollout_id = ? and entered_at is not null", rollout
        )
        waves = {books.wave[host] for (host,) in had_a_turn if books.phase[host] in BAD}
        return {
            host
            for host, phase in books.phase.items()
            if phase == "confirmed"
            and waves
            and (
                self._on_failure == "rollback_all"
                or (self._on_failure == "rollback_wave" and books.wave[host] in waves)
            )
        }

    def _transition(self, books: Books, host: str, before: str, phase: str, controller: str) -> None:
        self.checks += 1
        if books.phase[host] != before or not may_go(Phase(before), Phase(phase)):
            self._violated("table", f"{host} went from {before} (it was {books.phase[host]}) to {phase}")
        books.phase[host] = phase
        if phase == "confirmed" and self._machines[host].confirmed != books.target[host]:
            self._violated("proof", f"{host} is on record as confirmed without proof")
        if phase == "confirmed":
            books.confirmed_at[host] = self._database.now
        machine = self._machines[host]
        is_back = machine.running == machine.verdict_on == books.way_back[host]
        if (before, phase) == ("returning", "rolled_back") and not is_back:
            self._violated("proof", f"{host} is on record as brought back without proof")
        for other in self._holders(host):
            if other.controller != controller:
                self._violated("two leases", f"{controller} recorded {host} as {phase}, in the hands of {other}")
        if phase not in IN_FLIGHT:
            self._turns.pop(host, None)  # what is on record is over, also for one to whom the answer was lost

    def _opened(self, books: Books, host: str, wave: int) -> None:
        self.checks += 1
        failed = books.limits.failed_too_often(books.bad)
        if failed is not None:
            self._violated("failures", f"{host} starts after {failed}")
        earlier = [one for one, number in books.wave.items() if number < wave]
        open_yet = [one for one in earlier if books.phase[one] != "confirmed"]
        busy = [one for one in open_yet if books.phase[one] not in BAD and any(self._holders(one))]
        if len(open_yet) > books.limits.max_failures or busy:
            self._violated("wave", f"{host} of wave {wave} starts while {open_yet[:5]} of earlier waves are not done")
        if earlier and len(open_yet) == len(earlier):
            self._violated("wave", f"{host} of wave {wave} starts, and no host of an earlier wave is confirmed")
        seconds = books.limits.soak(wave - 1) if wave > 1 else 0
        last = max((books.confirmed_at[one] for one in earlier if books.phase[one] == "confirmed"), default=0)
        # (Without a soak, a clock that was set back since is none of its business.)
        if seconds and self._database.now < last + seconds:
            self._violated(
                "soak", f"{host} of wave {wave} starts {self._database.now - last} s after; soak {seconds} s"
            )
        if not books.limits.in_window(host, self._database.now):
            self._violated("window", f"{host} starts outside of its window")

    def _budget(self, books: Books, why: str) -> None:
        self.checks += 1
        missing = books.limits.missing
        held = {name for name, turns in self._turns.items() if turns}
        away = [name for name, one in self._machines.items() if (one.away or name in held) and name not in missing]
        self.most_away = max(self.most_away, len(away))
        allowed = books.limits.max_unavailable
        if len(away) > allowed:
            self._violated("budget", f"{why}: {len(away)} are away, {allowed} may be: {away[:8]}")
        crowded = books.limits.crowded(away)
        if crowded is not None:
            self._violated("group", f"{why}: away are {crowded}")

    def _holders(self, host: str) -> list[Turn]:
        """Return the turns of living runs whose leases hold."""
        now = self._database.now
        turns = self._turns.get(host, {}).values()
        return [one for one in turns if one.lease_until >= now and one.controller not in self._dead]

    def _newest(self) -> tuple[int, Books]:
        rollout = max(self._books)
        return rollout, self._books[rollout]

    def _violated(self, rule: str, text: str) -> None:
        self.violations.append(Violation(rule, text, self._world.now))

    # -- the end

    def finish(self, offer: str, runs_alive: list[str]) -> None:
        """Judge the end: everything is repaired, nothing goes wrong any more, and the rollout was run again."""
        self.after_event()
        rollout, state = self._database.read("select id, state from rollouts order by id desc limit 1")[0]
        rows = self._database.read("select host, phase from rollout_hosts where rollout_id = ?", rollout)
        unfinished = [f"{host} {phase}" for host, phase in rows if phase != "confirmed"]
        if state != "done" or unfinished or runs_alive:
            self._violated("end", f"rollout {rollout} is {state}: {unfinished[:5]}; still running: {runs_alive}")
        elsewhere = [one.name for one in self._machines.values() if one.running != offer or one.armed or not one.up]
        if elsewhere:
            self._violated("end", f"the rollout is over, and these do not run {offer} for good: {elsewhere[:5]}")
