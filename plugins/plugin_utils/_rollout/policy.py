# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user allows a rollout to do. Pure; bad input is refused with the arithmetic shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._errors import Refused


@dataclass(frozen=True)
class Amount:
    """A number of hosts, or a percentage of them."""

    count: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, value: object, what: str) -> Amount:
        """Read 3, "3" or "25%". Raises Refused."""
        text = str(value).strip()
        if not isinstance(value, bool) and re.fullmatch(r"\d+", text):
            return cls(count=int(text))
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text)
        if found and float(found[1]) <= 100:
            return cls(percent=float(found[1]))
        raise Refused(f"cannot read {what}: {value!r} is neither a number of hosts nor a percentage up to 100%")

    def of(self, total: int) -> int:
        """Return the number of hosts out of `total`; a percentage is rounded up, so that 1% of 3 is 1."""
        if self.count is not None:
            return self.count
        return math.ceil((self.percent or 0.0) * total / 100 - 1e-9)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.percent:g}%"


@dataclass(frozen=True)
class Policy:
    """`waves`: sizes, the last one repeats until every host has a wave. Budgets count over the whole rollout."""

    waves: tuple[Amount, ...]
    max_unavailable: Amount
    max_failures: Amount

    @classmethod
    def parse(cls, options: Mapping[str, object]) -> Policy:
        """Read `waves`, `max_unavailable`, `max_failures`. Raises Refused."""
        waves = options["waves"]
        if not isinstance(waves, Sequence) or isinstance(waves, str) or not waves:
            raise Refused(f"cannot plan waves: they must be a list of sizes such as [1, '25%', '100%'], not {waves!r}")
        sizes = tuple(Amount.parse(size, f"the size of wave {number}") for number, size in enumerate(waves, 1))
        for number, size in enumerate(sizes, 1):
            if not (size.count or size.percent):
                raise Refused(f"cannot plan waves: wave {number} has the size {size}, so it would never end")
        unavailable = Amount.parse(options["max_unavailable"], "max_unavailable")
        if not (unavailable.count or unavailable.percent):
            raise Refused(f"cannot plan a rollout with max_unavailable {unavailable}: no host could ever be rebooted")
        return cls(sizes, unavailable, Amount.parse(options["max_failures"], "max_failures"))

    def native(self) -> dict[str, object]:
        return {
            "waves": [str(size) for size in self.waves],
            "max_unavailable": str(self.max_unavailable),
            "max_failures": str(self.max_failures),
        }

    def wave_sizes(self, total: int) -> list[int]:
        """Return the number of hosts in each wave; they add up to `total`."""
        sizes: list[int] = []
        left = total
        while left > 0:
            size = min(left, max(1, self.waves[min(len(sizes), len(self.waves) - 1)].of(total)))
            sizes.append(size)
            left -= size
        return sizes

    def check_reachable(self, total: int) -> None:
        """Refuse waves that no fleet of `total` hosts ever gets to. Raises Refused."""
        sizes = self.wave_sizes(total)
        unreached = self.waves[len(sizes) :]
        if unreached and any(size.count is not None for size in unreached):
            shown = ", ".join(map(str, self.waves))
            raise Refused(
                f"cannot plan waves [{shown}] for {total} hosts: "
                f"after waves of {' + '.join(map(str, sizes))} = {total} no host is left for wave {len(sizes) + 1} "
                f"({unreached[0]})"
            )
