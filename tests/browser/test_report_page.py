# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a real browser (Debian's chromium, headless): it fits every width, in light, dark and on paper.

Big, and so not part of the set-up of the other tests: tests/tools/browser.sh brings it. Without it, these are skipped.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from made_rollout import FLEET, HOSTILE, made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.html import html

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no chromium: the look of the report is NOT tested (tests/tools/browser.sh brings it)",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
PATIENCE = 60
DARK = "--blink-settings=preferredColorScheme=0"
LONG = "a" * 253
CROWD = [*FLEET, (LONG, 4, [(2, "failed", LONG)]), (HOSTILE, 4, [(2, "staged", HOSTILE)])]

# Measured by a page around it: what sticks out, and what the reader sees. (A browser's smallest window is 500 pixels
# wide: the page is measured in a frame of the asked width.)
MEASURE = """
const frame = document.querySelector("iframe"), page = frame.contentDocument, width = frame.clientWidth;
const shown = one => one.getClientRects().length && getComputedStyle(one).position !== "absolute";
const outside = [...page.body.querySelectorAll("*")].filter(shown)
  .filter(one => one.getBoundingClientRect().right > width + 0.5).map(one => one.tagName + "." + one.className);
const seen = page.querySelector("tbody tr td");
document.body.dataset.measured = JSON.stringify({
  width, outside, scroll: page.documentElement.scrollWidth, title: page.title,
  scripts: page.scripts.length, rows: page.querySelectorAll(".cards tbody tr").length,
  label: getComputedStyle(seen, "::before").content, role: page.querySelector(".cards").getAttribute("role"),
  ink: getComputedStyle(page.body).color, page: getComputedStyle(page.body).backgroundColor,
  bars: [...page.querySelectorAll(".bars")].map(one => one.getBoundingClientRect().width),
});
"""


def _chromium(folder: Path, *arguments: str) -> str:
    assert CHROMIUM
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, profile, *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.stdout


def _measure(folder: Path, width: int, document: dict[str, Any], *flags: str) -> dict[str, Any]:
    (folder / "page.html").write_text(html(document))
    frame = f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
    script = f"<script>onload = () => {{ {MEASURE} }}</script>"
    (folder / "measure.html").write_text(f"<!DOCTYPE html><body>{frame}{script}</body>")
    arguments = ("--allow-file-access-from-files", "--dump-dom", *flags, f"file://{folder / 'measure.html'}")
    dumped = _chromium(folder, *arguments)
    found = re.search(r'data-measured="([^"]*)"', dumped)
    assert found, dumped[:2000]
    return dict(json.loads(unescape(found[1])))


@pytest.mark.parametrize("width", [1280, 760, 390, 320])
def test_nothing_sticks_out(tmp_path: Path, width: int) -> None:
    seen = _measure(tmp_path, width, made(fleet=CROWD))
    assert seen["width"] == width
    assert seen["outside"] == []
    assert seen["scroll"] <= width
    assert seen["rows"] == len(CROWD)
    assert min(seen["bars"]) > width / 3


def test_on_a_phone_the_table_is_cards_and_still_a_table(tmp_path: Path) -> None:
    assert _measure(tmp_path, 390, made())["label"] == '"Wave"'
    seen = _measure(tmp_path, 1280, made())
    assert (seen["label"], seen["role"]) == ("none", "table")


def test_dark_where_the_reader_wants_it(tmp_path: Path) -> None:
    def brightness(colour: str) -> int:
        return sum(int(one) for one in re.findall(r"\d+", colour)[:3])

    light, dark = _measure(tmp_path, 1280, made()), _measure(tmp_path, 1280, made(), DARK)
    assert brightness(light["page"]) > brightness(light["ink"])
    assert brightness(dark["page"]) < brightness(dark["ink"])


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    seen = _measure(tmp_path, 390, made(name=HOSTILE, fleet=CROWD))
    assert seen["scripts"] == 0
    assert seen["title"] == f"Rollout {HOSTILE} #12: stopped"


def test_no_script_would_run_even_unescaped(tmp_path: Path) -> None:
    """The second line of defence: the page's own policy."""
    text = html(made()).replace("<main>", '<main><script>document.title = "owned"</script>')
    (tmp_path / "page.html").write_text(text)
    dumped = _chromium(tmp_path, "--dump-dom", f"file://{tmp_path / 'page.html'}")
    assert "<title>Rollout upgrade #12: stopped</title>" in dumped


@pytest.mark.parametrize("width", [1280, 390])
def test_pictures(tmp_path: Path, width: int) -> None:
    """They are looked at by people: `pytest --basetemp=DIRECTORY` keeps them."""
    (tmp_path / "page.html").write_text(html(made()))
    picture = tmp_path / f"report-{width}.png"
    _chromium(tmp_path, f"--window-size={width},2400", f"--screenshot={picture}", f"file://{tmp_path / 'page.html'}")
    header = picture.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(header[16:20], "big") == width


def test_on_paper(tmp_path: Path) -> None:
    """A4, and short: folded histories are unfolded, and tables stay tables."""
    (tmp_path / "page.html").write_text(html(made()))
    paper = tmp_path / "report.pdf"
    _chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", f"file://{tmp_path / 'page.html'}")
    pages = max(int(count) for count in re.findall(rb"/Count (\d+)", paper.read_bytes()))
    assert 3 <= pages <= 8
