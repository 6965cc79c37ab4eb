# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate rollouts under faults: python tests/simulator/run.py --rollouts 1000 --seed 1 (docs/simulator.md)."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / ".collections")]

from simulated.episode import Episode, Outcome  # noqa: E402
from simulated.faults import Fault  # noqa: E402
from simulated.wish import size  # noqa: E402

# How often (s) it says how far it is.
SAY_EVERY = 10.0
# A rollout of so many hosts is a large one.
LARGE = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=1000, help="how many episodes")
    parser.add_argument("--first", type=int, default=1, help="the number of the first of them")
    parser.add_argument("--seed", default="1", help="of the whole; episode N has the seed SEED/N")
    parser.add_argument("--episode", help="only this one, by the seed that a violation was printed with")
    parser.add_argument("--hosts", type=int, help="size of the fleets; by the seed without it")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many at a time")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.rollouts)
    seeds = [options.episode] if options.episode else [f"{options.seed}/{number}" for number in numbers]
    began, said = time.monotonic(), time.monotonic()
    outcomes: list[Outcome] = []
    for outcome in _until_interrupted(_play(seeds, options.hosts, options.jobs)):
        outcomes.append(outcome)
        for one in outcome.violations[:3]:
            again = _again(outcome.seed, options.hosts)
            print(f"VIOLATION {one.rule} at {one.at:.0f} s: {one.text}\n  repeat: {again}", flush=True)
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            faults = sum(sum(one.strikes.values()) for one in outcomes)
            print(f"{len(outcomes)} of {len(seeds)} episodes, {faults} faults, {said - began:.0f} s", flush=True)
    _summary(outcomes, time.monotonic() - began)
    return 1 if any(one.violations for one in outcomes) else 0


def _until_interrupted(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Ctrl-C ends it early: the totals are of what was played."""
    try:
        yield from outcomes
    except KeyboardInterrupt:
        print("interrupted; so far:", flush=True)


def _play(seeds: list[str], hosts: int | None, jobs: int) -> Iterator[Outcome]:
    # The largest go first: a pool that ends with one of them would wait for it.
    seeds = sorted(seeds, key=lambda seed: size(Random(seed)) < LARGE) if hosts is None else seeds
    play = partial(_episode, hosts)
    if min(jobs, len(seeds)) == 1:
        yield from map(play, seeds)
        return
    with multiprocessing.Pool(min(jobs, len(seeds)), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        found: Iterable[Outcome] = pool.imap_unordered(play, seeds)
        yield from found


def _episode(hosts: int | None, seed: str) -> Outcome:
    return Episode(seed, hosts).play()


def _again(seed: str, hosts: int | None) -> str:
    return f"python tests/simulator/run.py --episode {seed}" + (f" --hosts {hosts}" if hosts else "")


def _summary(outcomes: list[Outcome], took: float) -> None:
    strikes: Counter[Fault] = sum((one.strikes for one in outcomes), Counter())
    for fault, count in strikes.most_common():
        print(f"{count:>8}  {fault.value}")
    for fault in sorted(set(Fault) - set(strikes)):
        print(f"{0:>8}  {fault.value}")
    violations = sum(len(one.violations) for one in outcomes)
    rules = Counter(violation.rule for one in outcomes for violation in one.violations)
    print(
        f"{len(outcomes)} rollouts ({sum(one.rollouts for one in outcomes)} plans, "
        f"{sum(one.runs for one in outcomes)} runs) of up to {max(one.hosts for one in outcomes)} hosts "
        f"({sum(one.hosts for one in outcomes)} in all), {sum(one.reboots for one in outcomes)} reboots, "
        f"{sum(one.brought_back for one in outcomes)} confirmed hosts brought back, "
        f"{sum(one.seconds for one in outcomes) / 86400:.0f} simulated days, "
        f"{sum(one.checks for one in outcomes)} checks, in {took:.0f} s"
    )
    print(
        f"{sum(one.done > 0 for one in outcomes)} came to a good end, the largest with "
        f"{max(one.done for one in outcomes)} hosts; of {LARGE} hosts or more: "
        f"{sum(one.done >= LARGE for one in outcomes)} of {sum(one.hosts >= LARGE for one in outcomes)}"
    )
    print(f"{sum(strikes.values())} faults, {violations} violations {dict(rules) if rules else ''}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
