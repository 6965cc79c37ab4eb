# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan costs the controller: time and peak memory for fleets that grow tenfold, and how both grow with them."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / ".collections"))
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import canonical, make_plan
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy

SIZES = (1_000, 10_000, 100_000)
# The median of so many is what counts.
ROUNDS = 3
# All that a policy can have; and as many waves as there can be.
POLICY: dict[str, Any] = {
    "canaries": ["role == 'test'"],
    "waves": ["1%", "double"],
    "max_unavailable": "10%",
    "max_failures": "1%",
    "max_unavailable_per": {"rack": 2, "zone": "20%", "etcd": 1},
    "max_failures_per": {"zone": "5%"},
    "wave_soak": 600,
    "windows": [{"days": ["sat", "sun"], "from": "22:00", "to": "04:00", "tz": "Europe/Berlin"}],
}
CASES = {"few waves": POLICY, "a wave per host": {**POLICY, "waves": [1]}}


def measure() -> None:
    """Measure and print."""
    print("==> planning: a fleet in racks, zones and quorums, to the bytes of its plan document", flush=True)
    print(
        f"{'case':<18}{'hosts':>9}{'seconds':>10}{'us/host':>10}{'peak MiB':>10}{'KiB/host':>10}"
        "   time, memory per host"
    )
    for name, options in CASES.items():
        first: tuple[float, float] | None = None
        for size in SIZES:
            seconds, peak = _plan(_fleet(size), Policy.parse(options))
            each = seconds / size, peak / size
            first = first or each
            print(
                f"{name:<18}{size:>9}{seconds:>10.3f}{each[0] * 1e6:>10.1f}"
                f"{peak / 2**20:>10.1f}{each[1] / 2**10:>10.2f}"
                f"   {each[0] / first[0]:>5.2f} x, {each[1] / first[1]:.2f} x",
                flush=True,
            )
    print("(linear: the last two columns stay near 1)\n")


def _fleet(size: int) -> list[Seen]:
    old, new = Version("a" * 64, "1"), Version("b" * 64, "2")
    return [
        Seen(
            f"host-{number:06}",
            driver="ostree",
            booted=old,
            offer=new,
            variables={
                "role": "test" if number % 1000 == 0 else "worker",
                "rack": f"r{number // 40}",
                "zone": f"z{number % 7}",
                "etcd": f"cluster-{number // 1000}" if number % 200 == 0 else None,
            },
        )
        for number in range(size)
    ]


def _plan(fleet: list[Seen], policy: Policy) -> tuple[float, float]:
    """Return the seconds of a plan (median), and the bytes at its peak, beyond those of the fleet itself."""

    def work() -> None:
        canonical(make_plan(fleet, policy, {}).document())

    taken = sorted(_seconds(work) for _round in range(ROUNDS))
    gc.collect()
    tracemalloc.start()
    work()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken[ROUNDS // 2], float(peak)


def _seconds(work: Callable[[], None]) -> float:
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    measure()
