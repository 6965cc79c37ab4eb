# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of a framed program (`_model/shell.py`) back into one result per step."""

from __future__ import annotations

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
    # Plain searching: the marker is new each time, so a pattern would be compiled for each host.
    out, end = f"\n{marker} out ", f"\n{marker} end "
    start = text.find(out)
    while start >= 0:
        name, _newline, _rest = text[start + len(out) :].partition("\n")
        stop = text.find(f"{end}{name} ", start)
        following = text.find(f"\n{marker} ", stop + 1)
        if name not in results or stop < 0 or following < 0:
            raise CannotParse("the host's answer", "a step does not end", name)
        rc, _newline, stderr = text[stop + len(end) + len(name) + 1 : following].partition("\n")
        if not rc.isdigit():
            raise CannotParse("the host's answer", "a step has no exit code", rc)
        stdout = text[start + len(out) + len(name) + 1 : stop]
        results[name] = Result(name, results[name].script, int(rc), stdout, stderr.removesuffix("\n"))
        start = text.find(out, stop)
    return results
