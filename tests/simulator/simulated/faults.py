# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, where, and how often. One dice for each episode: the same seed gives the same faults."""

from __future__ import annotations

import enum
import random
from collections import Counter


class Fault(str, enum.Enum):
    """The kinds of faults. Each is counted when it strikes, not when it is considered."""

    # The way to the host
    FLAP = "connection to the host drops for a moment"
    CUT = "network to the host is cut for a long time"
    SLOW = "the host answers slowly"
    REPLY_LOST = "the host does what it is told; the answer is lost"
    # The host
    DIES = "the host dies"
    SHUTS_DOWN_SLOWLY = "the host answers for long after it was told to reboot"
    COMES_BACK_LATE = "the host comes back late, in time"
    COMES_BACK_TOO_LATE = "the host comes back after everybody has given up"
    NEVER_COMES_BACK = "the host does not come back"
    WRONG_VERSION = "the host comes back on the wrong version"
    NOT_ACTIVATED = "the boot loader was never switched"
    POWER_CUT_BOOTING = "power is cut while the new version boots"
    RESET_ON_TRIAL = "the host is reset on trial; its guard brings it back"
    GUARD_EXPIRES = "the guard brings the host back before it is confirmed"
    STAGING_FAILS = "the host cannot stage"
    ARMING_FAILS = "the guard cannot be armed"
    CONFIRM_FAILS = "the confirm fails"
    # Health
    SICK_FOR_A_WHILE = "the host is sick for a while"
    LIES_SICK = "a good host calls itself sick"
    LIES_HEALTHY = "a sick host calls itself healthy"
    # The controller
    CONTROLLER_KILLED = "a controller is killed; its workers finish what they are at"
    CONTROLLER_LOST_POWER = "a controller vanishes with all its workers"
    CONTROLLER_KILLED_RECORDING = "a controller is killed in the middle of a transaction"
    CONTROLLER_SLEEPS = "a controller sleeps"
    CONTROLLER_OVERSLEEPS = "a worker sleeps longer than its lease in the middle of a turn"
    SECOND_CONTROLLER = "a second controller joins in"
    LIMITED_RUN = "a run is limited to a part of the fleet"
    NEW_TARGET = "the channel offers another version in the middle of a rollout"
    PAUSED = "a person pauses the rollout from another terminal"
    HALTED = "a person halts the rollout from another terminal"
    # The database
    DATABASE_DOWN = "the database is away for a while"
    DATABASE_FAILS = "the database fails in the middle of a transaction"
    COMMIT_UNKNOWN = "the database commits and the answer is lost"
    CLOCK_FORWARD = "the database's clock jumps forward"
    CLOCK_BACK = "the database's clock jumps back"


# What may strike at each step that is taken with a host, with the weight of each kind.
AT: dict[str, dict[Fault, int]] = {
    "observe": {Fault.FLAP: 10, Fault.DIES: 1},
    "stage": {Fault.FLAP: 3, Fault.DIES: 1, Fault.STAGING_FAILS: 2, Fault.REPLY_LOST: 2},
    "baseline": {Fault.SLOW: 20, Fault.FLAP: 3, Fault.DIES: 1, Fault.CUT: 1},
    "arm": {Fault.SHUTS_DOWN_SLOWLY: 20, Fault.FLAP: 2, Fault.DIES: 1, Fault.ARMING_FAILS: 2, Fault.REPLY_LOST: 2},
    "boot": {
        Fault.COMES_BACK_LATE: 20,
        Fault.COMES_BACK_TOO_LATE: 1,
        Fault.NEVER_COMES_BACK: 1,
        Fault.WRONG_VERSION: 1,
        Fault.NOT_ACTIVATED: 1,
        Fault.POWER_CUT_BOOTING: 8,
        Fault.CUT: 1,
    },
    "verdict": {
        Fault.SICK_FOR_A_WHILE: 20,
        Fault.FLAP: 2,
        Fault.LIES_SICK: 1,
        Fault.RESET_ON_TRIAL: 1,
        Fault.DIES: 1,
        Fault.CUT: 1,
    },
    "confirm": {
        Fault.SLOW: 20,
        Fault.FLAP: 2,
        Fault.REPLY_LOST: 3,
        Fault.CONFIRM_FAILS: 1,
        Fault.DIES: 1,
        Fault.GUARD_EXPIRES: 2,
    },
    "roll back": {Fault.SHUTS_DOWN_SLOWLY: 10, Fault.FLAP: 2, Fault.REPLY_LOST: 2, Fault.DIES: 1},
    "ask": {Fault.CONTROLLER_OVERSLEEPS: 1},
    "order": {Fault.CONTROLLER_OVERSLEEPS: 1},
    "leave": {Fault.CONTROLLER_OVERSLEEPS: 1},
    "ledger": {Fault.DATABASE_FAILS: 3, Fault.COMMIT_UNKNOWN: 2, Fault.CONTROLLER_KILLED_RECORDING: 1},
}
# A sick host that lies is drawn apart: it would hide a bad version from everybody.
LYING = {"verdict of a sick host": {Fault.LIES_HEALTHY: 1}}
# Not as often as the steps come by, or nothing would ever get anywhere.
RARER = {
    "observe": 0.1,
    "stage": 0.06,
    "ask": 0.02,
    "order": 0.02,
    "leave": 0.02,
    "ledger": 0.025,
    "verdict of a sick host": 0.3,
}


class Dice:
    """Draws what strikes. `likely`: the chance that something strikes at a step; `strikes`: what has, by kind."""

    def __init__(self, seed: str, likely: float) -> None:
        self.random = random.Random(seed)
        self.likely = likely
        self.calm = False
        self.strikes: Counter[Fault] = Counter()

    def at(self, step: str) -> Fault | None:
        """Return what strikes at `step`, if anything does. It is counted by who lets it strike."""
        if self.calm or self.random.random() >= self.likely * RARER.get(step, 1.0):
            return None
        kinds = AT.get(step) or LYING[step]
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def strike(self, fault: Fault) -> None:
        self.strikes[fault] += 1
