# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout that never was: all that can become of a host, for the tests of what people read."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import HostRecord, RolloutRecord
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import Plan, PlannedHost
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.report import report

BEGAN = 1_795_000_000
CONTROLLER = "ops1.example.org/4be2f7:3021:88123"
OLD = Version("3f5c" * 16, "41.20261101.3.0")
NEW = Version("9ad1" * 16, "41.20261115.3.1")
POLICY = {"waves": [1, "25%", "100%"], "max_unavailable": 2, "max_failures": 2}
# As a host name could be written by somebody who means no good.
HOSTILE = '<script>document.title="owned"</script>\'"&<img src=x onerror=alert(1)>'

Step = tuple[int, str, str]
_STAGED: Step = (24, "staged", "staged 41.20261115.3.1: 214 MB downloaded, signature and digest verified")


def _turn(start: int, *ends: Step) -> list[Step]:
    return [_STAGED, (start, "guarded", "the gate is open: every host before is confirmed"), *ends]


def _good(start: int, took: int) -> list[Step]:
    at = start + took
    told = "41.20261115.3.1 is confirmed; 4 probes are good, as they were before"
    return _turn(
        start,
        (start + 9, "activating", "the guard is armed, told to reboot"),
        (at - 38, "booted", "the boot id changed, and the digest is the planned one"),
        (at - 3, "healthy", "4 of 4 probes are good for 30 s"),
        (at, "confirmed", told),
    )


_WAY_BACK = (
    "boot_failed: the kernel panicked (VFS: unable to mount root fs on unknown-block(0,0)); it went back by itself"
)
FLEET: list[tuple[str, int, list[Step]]] = [
    ("edge-canary-01", 1, _good(31, 96)),
    ("edge-berlin-01", 2, _good(129, 88)),
    ("edge-berlin-02", 2, _good(130, 143)),
    ("edge-paris-01", 2, _turn(218, (230, "activating", "told to reboot"), (341, "rolled_back", _WAY_BACK))),
    ("edge-paris-02", 3, _good(345, 101)),
    ("edge-rome-01", 3, _good(346, 79)),
    (
        "edge-rome-02.a-data-centre-with-a-very-long-name.customer-4711.example.org",
        3,
        _turn(
            426,
            (437, "activating", "told to reboot"),
            (505, "booted", "the digest is the planned one"),
            (
                566,
                "failed",
                "verdict: unit web.service is failed since the upgrade: exit code 203/EXEC; http :8080 answers 502",
            ),
        ),
    ),
    (
        "edge-oslo-01",
        3,
        _turn(448, (460, "activating", "told to reboot"), (700, "unreachable", "boot: it does not answer")),
    ),
    ("edge-oslo-02", 3, [_STAGED]),
    ("edge-oslo-03", 3, []),
]


def made(
    name: str = "upgrade", state: str = "stopped", fleet: list[tuple[str, int, list[Step]]] | None = None
) -> dict[str, Any]:
    """Return the document of the made rollout; `fleet`: host, wave, steps (seconds since the beginning, phase, why)."""
    hosts, transitions = [], []
    fleet = FLEET if fleet is None else fleet
    for position, (host, wave, steps) in enumerate(fleet):
        before = "steady"
        for at, phase, why in steps:
            row = {"host": host, "at": BEGAN + at, "phase_before": before, "phase": phase, "why": why}
            transitions.append({**row, "controller": CONTROLLER})
            before = phase
        entered = next((BEGAN + at for at, phase, _why in steps if phase == "guarded"), None)
        left = BEGAN + steps[-1][0] if entered and steps[-1][1] in ("confirmed", "rolled_back", "failed") else None
        why = steps[-1][2] if steps else None
        hosts.append(HostRecord(host, wave, position, NEW.digest, Phase(before), why, None, 1, None, entered, left))
    plan = Plan(
        tuple(
            PlannedHost(host, wave, f"wave {wave} takes its share of {len(fleet)}", NEW, OLD)
            for host, wave, _steps in fleet
        ),
        {"edge-lab-01": f"already there: runs {NEW}", "edge-lab-02": "unsupported: no known update mechanism"},
        Policy.parse(POLICY),
    )
    why = "max_failures is 2; edge-oslo-01 unreachable: boot: it does not answer"
    ended = None if state == "open" else BEGAN + 700
    record = RolloutRecord(12, name, state, why, native(plan.document()), BEGAN, ended, tuple(hosts))
    return report(record, sorted(transitions, key=lambda row: row["at"]))
