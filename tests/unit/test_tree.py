# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree as a whole: licences, no trace of anybody's machine, links that lead somewhere, tests in place."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"
# Formats that know no comment, what tools write or read, and recorded outputs, which are as they were seen.
WITHOUT_LICENCE = re.compile(
    r"LICENSE|CHANGELOG\.rst|changelogs/changelog\.yaml|tests/sanity/ignore-[0-9.]+\.txt|tests/unit/fixtures/.*|.*\.jsonl?"
    r"|tests/simhost/families/[\w-]+/(?:recorded/.*|sys/.*|offers/.*|keys\.asc|server\.txt|like|beside|without)"
)
# Paths that exist on somebody's machine only. (A path inside a variable's directory is none: "$cache/work/".)
OF_A_MACHINE = re.compile(r"(?<![\w}$*.~-])/(?:work|root|home/[a-z]+)/(?!\.\.\.)[\w.]")
NOT_OURS = re.compile(
    r"LICENSE|tests/unit/fixtures/.*|tests/unit/.*/cases/.*|tests/simhost/families/[\w-]+/recorded/.*"
)


def _files() -> list[str]:
    """Return the files of the checkout that are, or could be, committed; without links."""
    git = shutil.which("git")
    assert git, "the tests need git"
    argv = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return [name for name in listed if name and (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


FILES = _files()


def test_every_file_names_its_licence() -> None:
    missing = []
    for name in FILES:
        text = (ROOT / name).read_bytes()
        if text and not WITHOUT_LICENCE.fullmatch(name) and LICENCE.encode() not in b"\n".join(text.splitlines()[:4]):
            missing.append(name)
    assert not missing


def test_recorded_outputs_say_where_they_come_from() -> None:
    kept = re.compile(r"tests/unit/fixtures/[^/]+|tests/simhost/families/[^/]+/recorded")
    folders = {found[0] for found in map(kept.match, FILES) if found}
    assert folders
    assert not [folder for folder in folders if not (ROOT / folder / "PROVENANCE.md").exists()]


def test_no_path_of_a_machine() -> None:
    found = []
    for name in FILES:
        if NOT_OURS.fullmatch(name):
            continue
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1):
            found += [f"{name}:{number}: {line.strip()}"] if OF_A_MACHINE.search(line) else []
    assert not found


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".md") and "/fixtures/" not in name])
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", (ROOT / name).read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _hash, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: nothing at {target}"
        if anchor:
            headings = {
                re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
                for title in re.findall(r"(?m)^#+ +(.*?) *$", file.read_text())
            }
            assert anchor in headings, f"{name}: no heading for {target}"


def test_unit_tests_mirror_the_plugins() -> None:
    """tests/unit/X/test_y.py tests plugins/X/y.py or _y.py, or the folder X itself when that is _y."""
    astray = []
    for name in FILES:
        found = re.fullmatch(r"tests/unit/((?:action|plugin_utils)/(?:.*/)?)test_(\w+)\.py", name)
        if found:
            folder, stem = ROOT / "plugins" / found[1], found[2]
            if folder.name != f"_{stem}" and not any((folder / f"{one}.py").exists() for one in (stem, f"_{stem}")):
                astray.append(name)
    assert not astray


def test_scripts_can_be_run() -> None:
    # (Those of the plugins are parts that are put together, and run elsewhere.)
    starting_so = [
        name for name in FILES if (ROOT / name).read_bytes()[:2] == b"#!" and not name.startswith("plugins/")
    ]
    assert starting_so
    assert not [name for name in starting_so if not (ROOT / name).stat().st_mode & 0o100]
