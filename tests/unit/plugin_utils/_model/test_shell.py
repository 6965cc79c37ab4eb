# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and lines, by real shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import (
    as_argument,
    first_line,
    frame,
    share_beginnings,
    write_file,
)

SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


def _run(shell: list[str], script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*shell, "-c", f"chown() {{ :; }}\n{script}"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("content", ["", "x", "a\n\n", "%s \\n 'q' \"d\" $x `y` \\", "ü€\n", "x" * 100_000])
def test_file_is_written_to_the_letter(tmp_path: Path, shell: list[str], content: str) -> None:
    path = tmp_path / "a folder/it's"
    done = _run(shell, write_file(str(path), content, "0640"))
    assert done.returncode == 0, done.stderr
    assert path.read_text() == content
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_file_that_cannot_be_completed_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    script = write_file(str(path), "new")
    assert _run(["sh"], f"mv() {{ return 1; }}\n{script}").returncode == 1
    assert path.read_text() == "old"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_first_line_of_what_is_there_and_of_what_is_not(tmp_path: Path, shell: list[str]) -> None:
    (tmp_path / "one").write_text("first\nsecond\n")
    (tmp_path / "cut").write_text("no newline")
    script = "; ".join(first_line(str(tmp_path / name)) for name in ("one", "cut", "absent"))
    assert _run(shell, script).stdout == "first\nno newline\n\n"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_program_as_an_argument_is_plain_and_runs_to_the_letter(shell: list[str]) -> None:
    program = (
        "_f() {\n  printf '%s|' \"it's\" '!!' '\\' '\\\\' '\\n' 'ü€' '100%' '`$x`'\n}\n_f\ncat; [ -t 1 ] || echo pipe\n"
    )
    line = as_argument(program)
    assert line.isascii() and line.isprintable()
    assert "!" not in line and "\\'" not in line and "\\\\" not in line
    done = subprocess.run(
        [*shell, "-c", line], capture_output=True, text=True, check=True, input="of nobody's business"
    )
    assert done.stdout == "it's|!!|\\|\\\\|\\n|ü€|100%|`$x`|pipe\n"


def test_command_is_quoted_once() -> None:
    assert Step.of("x", "echo", "a b", "$c").script == "echo 'a b' '$c'"


def test_proof_of_a_step() -> None:
    assert Result("x", "true", 0, " a \n").proven("do it").text == "a"
    with pytest.raises(ToolFailed, match=r"cannot do it: .*ls  ?/x.* 2.*no such file") as failed:
        Result("x", "ls  /x", 2, "", "no such file").proven("do it")
    assert "ls /x" in failed.value.message
    with pytest.raises(FlotillaError, match="cannot do it: a step before it failed"):
        Result("x", "true", None).proven("do it")


# -- what scripts begin with

FUNCTIONS = "\n".join(f"f{number}() {{ echo 'function {number}'; }}" for number in range(20)) + "\n"
MORE = "\n".join(f"g{number}() {{ echo 'another {number}'; }}" for number in range(20)) + "\n"


def test_what_scripts_begin_with_is_kept_once() -> None:
    scripts = [
        f"{FUNCTIONS}f1",
        "true",
        f"{FUNCTIONS}{MORE}g2",
        f"{FUNCTIONS}f3 || exit 1\nf4",
        f"{FUNCTIONS}{MORE}g5",
        MORE,
    ]
    beginnings, put_together = share_beginnings(scripts)
    assert beginnings == [FUNCTIONS, MORE]
    assert [rest for _numbers, rest in put_together] == ["f1", "true", "g2", "f3 || exit 1\nf4", "g5", MORE]
    assert ["".join([*(beginnings[one] for one in numbers), rest]) for numbers, rest in put_together] == scripts
    assert share_beginnings([]) == ([], [])
    assert share_beginnings(["a\nb", "a\nc"]) == ([], [([], "a\nb"), ([], "a\nc")])  # not worth it


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_scripts_that_share_a_beginning_stay_apart(shell: list[str]) -> None:
    scripts = [f"{FUNCTIONS}x=1; f1() {{ echo mine; }}; f1", f'{FUNCTIONS}f1; echo "[$x]"', f"{FUNCTIONS}f2; exit 3"]
    program = frame("m", [Step(f"s{number}", script) for number, script in enumerate(scripts)])
    assert program.count("function 7") == 1
    printed = _run(shell, program).stdout.split("\n")
    assert [line for line in printed if line and not line.startswith("m out")] == [
        *("mine", "m end s0 0", "function 1", "[]", "m end s1 0", "function 2", "m end s2 3", "m done"),
    ]
