# SPDX-License-Identifier: GPL-3.0-or-later
"""A tool's output as it might arrive: cut off, with lines lost, doubled or swapped, and with bytes changed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

# Of the variants one of so many is tried: all in `make test`, fewer in `make check`, which is for every commit.
ONE_OF = int(os.environ.get("FLOTILLA_MUTATIONS_ONE_OF", "1"))

_SIGNS = "0129aZ \n\t\0=:;\"'<>&/-_.%[]{}\\é\ufffd"


def mutations(text: str, seed: int, count: int) -> Iterator[str]:
    """Yield `count` variants of `text`, the same ones for the same `seed`; each has one to three things wrong.

    (Fewer where ONE_OF says so.)
    """
    chance = random.Random(seed)
    for _one in range(-(-count // ONE_OF)):
        changed = text
        for _one in range(chance.randint(1, 3)):
            changed = chance.choice((_cut, _lines, _signs))(changed, chance)
        yield changed


def _cut(text: str, chance: random.Random) -> str:
    start, end = sorted(chance.randint(0, len(text)) for _one in range(2))
    return chance.choice((text[:start], text[end:], text[:start] + text[end:]))


def _lines(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    first, second = (chance.randrange(len(lines)) for _one in range(2))
    match chance.randrange(3):
        case 0:
            lines[first], lines[second] = lines[second], lines[first]
        case 1:
            lines.insert(second, lines[first])
        case _:
            del lines[first]
    return "".join(lines)


def _signs(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    sign = chance.choice(_SIGNS)
    return chance.choice((text[:at] + sign + text[at:], text[:at] + sign + text[at + 1 :]))
