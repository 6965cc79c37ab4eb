# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: what a host costs, and how long a rollout takes, as ratios taken in one run.

Part A: many real sshd endpoints in a network namespace of our own; deployment_info against stock modules.
Part B: a rollout of the three lab machines against its lower bound, measured on the same machines.
Part C: operations of the ledger per second, on SQLite and on PostgreSQL.
Part P: plans of 1,000 to 100,000 hosts.
Part S: simulated rollouts of 100 to 10,000 hosts; the controller's CPU per host.
Part W: a sliding window against plain `serial` batches, on hosts whose reboot times vary.
Usage: bench.py [--hosts N] [--forks N] [--rounds N] [--part A|B|C|P|S|W|ABCPSW]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "lab/ostree"))
import host_cost
import ledger
import planning
import rollout_time
import simulated_rollout
import sliding_window


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--hosts", type=int, default=50)
    options.add_argument("--forks", type=int, default=25)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--part", default="ABCPSW")
    given = options.parse_args()
    if "A" in given.part:
        host_cost.measure(given.hosts, given.forks, given.rounds)
    if "B" in given.part:
        rollout_time.measure()
    if "C" in given.part:
        ledger.measure()
    if "P" in given.part:
        planning.measure()
    if "S" in given.part:
        simulated_rollout.measure()
    if "W" in given.part:
        sliding_window.measure(given.rounds)


if __name__ == "__main__":
    main()
