# SPDX-License-Identifier: GPL-3.0-or-later
"""Fragments of POSIX sh that several layers need. Pure text; nothing here runs anything."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Sequence
from itertools import groupby

from .host import NOT_HERE, Step

quote = shlex.quote

# A beginning of scripts that has at least so many characters is sent once.
WORTH_SHARING = 256

# Begins the line before each file in the output of `print_files`.
FILE_MARK = "@@flotilla-file "


def print_files(*patterns: str) -> str:
    """Return sh that prints every readable file that matches one of the glob patterns, each behind a FILE_MARK line."""
    return (
        f'for _f in {" ".join(patterns)}; do [ -f "$_f" ] || continue; '
        f'printf \'\\n{FILE_MARK}%s\\n\' "$_f"; cat "$_f" || exit 1; done'
    )


def first_line(path: str) -> str:
    """Return sh that prints the first line of a file, or an empty one where it cannot be read. It starts no process."""
    return f'_l=; read -r _l 2>/dev/null <{path}; printf "%s\\n" "$_l"'


def write_file(path: str, content: str, mode: str = "0644") -> str:
    """Return sh that puts `content` at `path`, owned by root, durable before it is visible.

    The text goes through printf, a builtin, so that its size is not bound by the kernel's limit on arguments.
    """
    target, fresh = quote(path), quote(path + ".new")
    return (
        f"mkdir -p {quote(path.rsplit('/', 1)[0] or '/')} && "
        f"printf '%s' {quote(content)} >{fresh} && "
        f"chmod {quote(mode)} {fresh} && chown 0:0 {fresh} && "
        f"{{ sync {fresh} 2>/dev/null || sync; }} && mv -f {fresh} {target}"
    )


# What some shell does not leave alone between single quotes: csh a line's end and `!`, fish a backslash before a quote
# or another backslash; ssh and become methods quote the whole once more. Bytes that are not ASCII depend on the locale.
_TOUCHED = re.compile(rb"[^ -~]|[!'\\]")


def as_argument(program: str) -> str:
    """Return one line of sh, a command of its own, that runs `program` and goes through any login shell unharmed.

    Its stdout is a pipe even where the connection has a terminal: tools would page and colour what they print.
    """
    packed = _TOUCHED.sub(lambda found: b"\\0%03o" % found[0][0], program.encode()).decode()
    return f"""exec /bin/sh -c 'eval "$(printf %b "$1")" </dev/null | cat' sh '{packed}'"""


def share_beginnings(scripts: Sequence[str]) -> tuple[list[str], list[tuple[list[int], str]]]:
    """Return what several of `scripts` begin with, each such text once; and for each script of which of these, by
    number, and which rest it is put together. Whole lines are shared, where that is worth it."""
    beginnings: list[str] = []
    numbers: list[list[int]] = [[] for _script in scripts]
    rests = list(scripts)

    def share(members: list[int]) -> None:
        members = sorted(members, key=lambda one: rests[one])
        run = members[:1]
        for one in members[1:]:
            if _common(rests[run[-1]], rests[one]) < WORTH_SHARING:
                settle(run)
                run = []
            run.append(one)
        settle(run)

    def settle(run: list[int]) -> None:
        if len(run) < 2:
            return
        # Of sorted texts, what the first and the last have in common all have in common.
        length = _common(rests[run[0]], rests[run[-1]])
        beginnings.append(rests[run[0]][:length])
        for one in run:
            numbers[one].append(len(beginnings) - 1)
            rests[one] = rests[one][length:]
        share(run)

    share(list(range(len(scripts))))
    return beginnings, list(zip(numbers, rests, strict=True))


def _common(one: str, other: str) -> int:
    """Return how many characters of whole lines both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return one.rfind("\n", 0, low) + 1


def _spelled(numbers: Sequence[int]) -> str:
    return '"' + "".join(f"${{_b{number}}}" for number in numbers) + '"' if numbers else ""


@functools.lru_cache(maxsize=16)
def _calls(steps: tuple[Step, ...]) -> str:
    """Return the part of a program that does not change from one host to the next."""
    beginnings, put_together = share_beginnings([step.script for step in steps])
    lines = [f"_b{number}={quote(text)}" for number, text in enumerate(beginnings)]
    calls = [
        (step, f"_step {quote(step.name)} {int(step.required)} {_spelled(numbers)}{quote(rest)} || return 0")
        for step, (numbers, rest) in zip(steps, put_together, strict=True)
    ]
    for part, ((_first, first), *others) in groupby(calls, key=lambda call: call[0].part):
        lines.append(first)
        if part and others:
            # It costs a process for each step to find out again that there is nothing.
            names = " ".join(quote(step.name) for step, _call in others)
            lines.append(f'if [ "$_rc" = {NOT_HERE} ]; then _absent {names}; else')
        lines += [call for _step, call in others]
        if part and others:
            lines.append("fi")
    return "\n".join(lines)


def frame(marker: str, steps: Sequence[Step]) -> str:
    """Return one sh program that runs `steps` and frames what each prints.

    Per step: `MARKER out NAME`, its stdout, `MARKER end NAME RC`, its stderr; then `MARKER done`. A step that was not
    run has no frame, unless its part is absent. All is inside one function that is called in the last line: a program
    that arrives cut off (sh -s executes as it reads) does nothing at all. What several scripts begin with is sent once.
    """
    return f"""\
_m={quote(marker)}
_step() {{
  printf '\\n%s out %s\\n' "$_m" "$1"
  _err=$( ( eval "$3" ) </dev/null 2>&1 >&3 3>&- )
  _rc=$?
  printf '\\n%s end %s %s\\n%s\\n' "$_m" "$1" "$_rc" "$_err"
  [ "$_rc" = 0 ] || [ "$2" = 0 ]
}}
_absent() {{
  for _n; do printf '\\n%s out %s\\n\\n%s end %s {NOT_HERE}\\n\\n' "$_m" "$_n" "$_m" "$_n"; done
}}
_all() {{
{_calls(tuple(steps))}
}}
_main() {{
  LC_ALL=C LANGUAGE=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
  export LC_ALL LANGUAGE PATH
  umask 022
  exec 3>&1
  _all
  printf '\\n%s done\\n' "$_m"
}}
_main
"""
