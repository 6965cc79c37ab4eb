# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user allows a rollout to do. Pure; bad input is refused with the arithmetic shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import Refused
from .selector import Selector
from .waves import Amount, Waves
from .windows import Window

# The options of a policy, in Ansible's words: one list for the modules, the role and the preflight.
POLICY_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "waves": {"type": "list", "elements": "raw", "default": [1, "100%"]},
    "canaries": {"type": "list", "elements": "str", "default": []},
    "max_unavailable": {"type": "raw", "default": 1},
    "max_unavailable_per": {"type": "dict", "default": {}},
    "max_failures": {"type": "raw", "default": 0},
    "max_failures_per": {"type": "dict", "default": {}},
    "wave_soak": {"type": "raw", "default": 0},
    "windows": {"type": "list", "elements": "dict", "default": []},
    "window_wait": {"type": "int", "default": 0},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "on_quarantined": {"type": "str", "choices": ["refuse", "leave_out"], "default": "refuse"},
}


@dataclass(frozen=True)
class Policy:
    """Budgets count over the whole rollout; those `_per` label count for each value of that host variable.

    `canaries`: who goes in a wave before all others. `wave_soak`: seconds after each wave, the last one repeats.
    `window_wait`: how long (s) a host may wait at the gate for its window.
    """

    waves: Waves
    max_unavailable: Amount
    max_failures: Amount
    canaries: tuple[Selector, ...] = ()
    max_unavailable_per: tuple[tuple[str, Amount], ...] = ()
    max_failures_per: tuple[tuple[str, Amount], ...] = ()
    wave_soak: tuple[int, ...] = (0,)
    windows: tuple[Window, ...] = ()
    window_wait: int = 0
    exclude: frozenset[str] = frozenset()
    leave_out_quarantined: bool = False

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Policy:
        """Read the options, or what `native` gave; those that are missing have their default. Raises Refused."""
        given = {name: options.get(name, spec["default"]) for name, spec in POLICY_OPTIONS.items()}
        waves = Waves.parse(given["waves"], after_canaries=bool(given["canaries"]))
        unavailable = Amount.parse(given["max_unavailable"], "max_unavailable")
        if unavailable.is_nothing:
            raise Refused(f"cannot plan a rollout with max_unavailable {unavailable}: no host could ever be rebooted")
        per = _per(given["max_unavailable_per"], "max_unavailable_per")
        for label, amount in per:
            if amount.is_nothing:
                raise Refused(
                    f"cannot plan a rollout with max_unavailable_per {label} {amount}: "
                    f"no host that has a {label} could ever be rebooted"
                )
        return cls(
            waves,
            unavailable,
            Amount.parse(given["max_failures"], "max_failures"),
            tuple(Selector.parse(one, f"canary {number}") for number, one in enumerate(given["canaries"], 1)),
            per,
            _per(given["max_failures_per"], "max_failures_per"),
            _soak(given["wave_soak"]),
            tuple(Window.parse(one, f"window {number}") for number, one in enumerate(given["windows"], 1)),
            _seconds(given["window_wait"], "window_wait"),
            frozenset(map(str, given["exclude"])),
            given["on_quarantined"] == "leave_out",
        )

    def native(self) -> dict[str, object]:
        return {
            "waves": self.waves.native(),
            "canaries": [one.expression for one in self.canaries],
            "max_unavailable": str(self.max_unavailable),
            "max_unavailable_per": {label: str(amount) for label, amount in self.max_unavailable_per},
            "max_failures": str(self.max_failures),
            "max_failures_per": {label: str(amount) for label, amount in self.max_failures_per},
            "wave_soak": list(self.wave_soak),
            "windows": [one.native() for one in self.windows],
            "window_wait": self.window_wait,
            "exclude": sorted(self.exclude),
            "on_quarantined": "leave_out" if self.leave_out_quarantined else "refuse",
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """The host variables that a budget is kept for."""
        return tuple(sorted({label for label, _amount in (*self.max_unavailable_per, *self.max_failures_per)}))

    @property
    def variables(self) -> frozenset[str]:
        """The host variables that a plan under this policy looks at, and names that may be some."""
        selectors = [*self.canaries, *(one.hosts for one in self.windows if one.hosts is not None)]
        return frozenset(self.labels).union(*(one.names for one in selectors))

    def soak(self, wave: int) -> int:
        """Return the seconds between the last confirmation of wave `wave` (from 1) and the next wave."""
        return self.wave_soak[min(wave, len(self.wave_soak)) - 1]

    def wave_sizes(self, total: int) -> list[int]:
        """Return the number of hosts in each wave; they add up to `total`."""
        return self.waves.sizes(total)

    def check_reachable(self, total: int) -> None:
        """Refuse waves that no fleet of `total` hosts ever gets to. Raises Refused."""
        self.waves.check_reachable(total)


def _per(value: object, what: str) -> tuple[tuple[str, Amount], ...]:
    if not isinstance(value, Mapping):
        raise Refused(f"cannot read {what}: it must be a dictionary such as {{rack: 1}}, not {value!r}")
    return tuple((str(label), Amount.parse(value[label], f"{what} {label}")) for label in sorted(value))


def _soak(value: object) -> tuple[int, ...]:
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return tuple(_seconds(one, "wave_soak") for one in several) or (0,)


def _seconds(value: object, what: str) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal():
        raise Refused(f"cannot read {what}: {value!r} is no number of seconds")
    return int(text)
