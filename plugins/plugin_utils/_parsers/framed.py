# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a framed program (`_model/shell.py`) back into one result per step."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._errors import CannotParse
from .._model.host import Result, Step


def parse_framed(marker: str, steps: Sequence[Step], output: str) -> dict[str, Result]:
    """Return a Result for each of `steps`; those that were not run have rc None.

    Raises CannotParse when the last line is missing: the program did not run to its end.
    """
    text = output.replace("\r\n", "\n")  # a connection with a pty (no pipelining) turns \n into \r\n
    if f"\n{marker} done" not in text:
        raise CannotParse("the host's answer", "it ends too early")
    results = {step.name: Result(step.name, step.script, None) for step in steps}
    frames = re.compile(
        rf"\n{marker} out (?P<name>\S+)\n(?P<out>.*?)\n{marker} end (?P=name) (?P<rc>\d+)\n"
        rf"(?P<err>.*?)\n(?=\n{marker} )",
        re.DOTALL,
    )
    for found in frames.finditer(text):
        name = found["name"]
        results[name] = Result(name, results[name].script, int(found["rc"]), found["out"], found["err"])
    return results
