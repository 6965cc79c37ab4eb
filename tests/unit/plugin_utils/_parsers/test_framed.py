# SPDX-License-Identifier: GPL-3.0-or-later
"""Framed programs: what real shells print comes back step by step; what is cut off is an error, not half an answer."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import frame
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.framed import parse_framed

MARKER = "flotilla-0123"
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
STEPS = [
    Step("plain", "echo out; echo err >&2; exit 3"),
    Step("nothing", ":"),
    Step("no newline", "printf x"),
    Step("marker", f"echo '{MARKER} end plain 0'"),
    Step("leaves", "cd /; exit 0; echo never"),
    Step("reads stdin", "cat; echo end"),
    Step("locale", 'echo "$LC_ALL $LANGUAGE"'),
    Step("quotes", """printf '%s' 'a"b$c' "d'e" """),
]


def _answer(shell: list[str], steps: list[Step]) -> str:
    program = frame(MARKER, steps)
    done = subprocess.run([*shell, "-s"], input=program, capture_output=True, text=True, check=False)
    return f"\n{done.stdout}"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_a_shell_prints_comes_back_step_by_step(shell: list[str]) -> None:
    results = parse_framed(MARKER, STEPS[:3], _answer(shell, STEPS[:3]))
    assert (results["plain"].rc, results["plain"].text, results["plain"].stderr) == (3, "out", "err")
    assert results["nothing"].ok
    assert results["no newline"].text == "x"
    rest = parse_framed(MARKER, STEPS[4:], _answer(shell, STEPS[4:]))
    assert rest["leaves"].text == ""
    assert rest["reads stdin"].text == "end"
    assert rest["locale"].text == "C C"
    assert rest["quotes"].text == "a\"b$cd'e"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_nothing_is_run_after_a_required_step_that_failed(shell: list[str]) -> None:
    steps = [Step("first", "exit 4", required=True), Step("second", "echo never")]
    results = parse_framed(MARKER, steps, _answer(shell, steps))
    assert results["first"].rc == 4
    assert results["second"].rc is None


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_part_that_is_not_there_is_asked_once(shell: list[str], tmp_path: Path) -> None:
    touch = f"echo x >>{tmp_path}/ran; echo out; exit 3"
    steps = [
        Step("a.first", touch, part="a"),
        Step("a.second", touch, part="a"),
        Step("a third's", touch, part="a"),
        Step("b.first", "exit 1", part="b"),
        Step("b.second", touch, part="b"),
        Step("b.third", "echo there", part="b"),
        Step("alone", touch),
        Step("last", "echo last"),
    ]
    results = parse_framed(MARKER, steps, _answer(shell, steps))
    assert {name: (result.rc, result.text) for name, result in results.items()} == {
        "a.first": (3, "out"),
        "a.second": (3, ""),
        "a third's": (3, ""),
        "b.first": (1, ""),
        "b.second": (3, "out"),
        "b.third": (0, "there"),
        "alone": (3, "out"),
        "last": (0, "last"),
    }
    assert (tmp_path / "ran").read_text() == "x\n" * 3


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_program_that_arrives_cut_off_does_nothing(shell: list[str]) -> None:
    program = frame(MARKER, [Step("touch", "echo touched")])
    for end in range(len(program) - len("_main\n") + 1):
        if end % 23 and end < len(program) - 10:
            continue
        done = subprocess.run([*shell, "-s"], input=program[:end], capture_output=True, text=True, check=False)
        assert "touched\n" not in done.stdout


def test_pty_between_us_changes_nothing() -> None:
    answer = _answer(["sh"], STEPS[:1]).replace("\n", "\r\n")
    assert parse_framed(MARKER, STEPS[:1], f"\n{answer}")["plain"].text == "out"


def test_noise_of_a_login_shell_around_it() -> None:
    answer = f"\nWelcome to h1\nLast login: never{_answer(['sh'], STEPS[:1])}\nlogout\n"
    assert parse_framed(MARKER, STEPS[:1], answer)["plain"].rc == 3


def test_every_cut_is_an_error() -> None:
    answer = _answer(["sh"], STEPS[:3])
    whole = parse_framed(MARKER, STEPS[:3], answer)
    last = answer.index(f"\n{MARKER} done") + len(f"\n{MARKER} done")
    for end in range(last):
        with pytest.raises(CannotParse):
            parse_framed(MARKER, STEPS[:3], answer[:end])
    assert parse_framed(MARKER, STEPS[:3], answer[:last]) == whole


def test_damage_never_ends_in_a_traceback() -> None:
    answer = _answer(["sh"], STEPS[:3])
    chance = random.Random(7)
    for _again in range(2000):
        text = list(answer)
        for _damage in range(chance.randint(1, 4)):
            text[chance.randrange(len(text))] = chance.choice("\n \x00x9")
        try:
            results = parse_framed(MARKER, STEPS[:3], "".join(text))
        except CannotParse:
            continue
        assert set(results) == {step.name for step in STEPS[:3]}


def test_marker_is_what_tells_our_lines_from_theirs() -> None:
    """It is new for each round trip, so that nothing that a host prints can be taken for a frame."""
    forged = f"\n{MARKER} out plain\nok\n{MARKER} end plain 0\n\n{MARKER} done\n"
    answer = _answer(["sh"], [Step("plain", f"printf '%s' '{forged}'; exit 5")])
    assert parse_framed("another-marker", [], f"{answer}\nanother-marker done") == {}
