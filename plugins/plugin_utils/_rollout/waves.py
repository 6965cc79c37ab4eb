# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of hosts: an amount, and the sizes of waves. Pure; bad input is refused with the arithmetic shown."""

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

    @property
    def is_nothing(self) -> bool:
        return not (self.count or self.percent)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.percent:g}%"


@dataclass(frozen=True)
class Growth:
    """A wave that is `factor` times as large as the one before, rounded up."""

    factor: float

    @classmethod
    def parse(cls, value: object, what: str) -> Growth:
        """Read "double" or {growth: 2}. Raises Refused."""
        factor = 2 if value == "double" else value.get("growth") if isinstance(value, Mapping) else None
        if isinstance(value, Mapping) and set(value) != {"growth"}:
            raise Refused(f"cannot read {what}: {dict(value)!r} must have the one key growth, as in {{growth: 2}}")
        try:
            number = float(str(factor))
        except ValueError:
            number = math.nan
        if isinstance(factor, bool) or not 1 < number < math.inf:
            raise Refused(f"cannot read {what}: waves that grow by {factor!r} do not grow; it must be more than 1")
        return cls(number)

    def after(self, size: int) -> int:
        return math.ceil(self.factor * size - 1e-9)

    def __str__(self) -> str:
        return f"{self.factor:g} times the wave before"


@dataclass(frozen=True)
class Waves:
    """Sizes of waves; the last one repeats until every host has a wave."""

    steps: tuple[Amount | Growth, ...]

    @classmethod
    def parse(cls, value: object, after_canaries: bool = False) -> Waves:
        """Read [1, "25%", "double", {growth: 3}]. `after_canaries`: a wave goes before the first. Raises Refused."""
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise Refused(f"cannot plan waves: they must be a list of sizes such as [1, '25%', '100%'], not {value!r}")
        steps: list[Amount | Growth] = []
        for number, size in enumerate(value, 1):
            what = f"the size of wave {number}"
            grows = size == "double" or isinstance(size, Mapping)
            step = Growth.parse(size, what) if grows else Amount.parse(size, what)
            if isinstance(step, Amount) and step.is_nothing:
                raise Refused(f"cannot plan waves: wave {number} has the size {step}, so it would never end")
            steps.append(step)
        if isinstance(steps[0], Growth) and not after_canaries:
            raise Refused(f"cannot plan waves: wave 1 is {steps[0]}, and there is none before it")
        return cls(tuple(steps))

    def native(self) -> list[object]:
        return [{"growth": step.factor} if isinstance(step, Growth) else str(step) for step in self.steps]

    def step(self, number: int) -> Amount | Growth:
        """Return what is configured for wave `number`, from 1."""
        return self.steps[min(number, len(self.steps)) - 1]

    def sizes(self, total: int, canaries: int = 0) -> list[int]:
        """Return the sizes of the waves for `total` hosts, of which `canaries` have gone before. They add up."""
        sizes: list[int] = []
        left, before = total - canaries, max(1, canaries)
        while left > 0:
            step = self.step(len(sizes) + 1)
            wanted = step.after(before) if isinstance(step, Growth) else max(1, step.of(total))
            before = min(left, wanted)
            sizes.append(before)
            left -= before
        return sizes

    def check_reachable(self, total: int, canaries: int = 0) -> None:
        """Refuse waves that no fleet of `total` hosts ever gets to. Raises Refused."""
        sizes = self.sizes(total, canaries)
        unreached = self.steps[len(sizes) :]
        if any(isinstance(step, Amount) and step.count is not None for step in unreached):
            shown = ", ".join(map(str, self.steps))
            gone = [f"{canaries} canaries", *map(str, sizes)] if canaries else list(map(str, sizes))
            raise Refused(
                f"cannot plan waves [{shown}] for {total} hosts: "
                f"after waves of {' + '.join(gone)} = {total} no host is left for wave {len(sizes) + 1} "
                f"({unreached[0]})"
            )
