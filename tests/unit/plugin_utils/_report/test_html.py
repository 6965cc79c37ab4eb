# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as text. How it looks is seen by a real browser: tests/browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from made_rollout import BEGAN, FLEET, HOSTILE, made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.html import html

VOID = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """The elements and the text of a page; what is not closed in order is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html(made()))


def test_loads_nothing_and_runs_nothing(page: Page) -> None:
    assert not {tag for tag, _attributes in page.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
    }
    for _tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
        assert str(attributes.get("href", "#")).startswith("#")
    text = html(made())
    assert not re.search(r"https?:|@import|url\(", text)
    policy = next(one["content"] for tag, one in page.elements if tag == "meta" and "http-equiv" in one)
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline';")


def test_says_who_what_when(page: Page) -> None:
    document = made()
    for fact in (
        document["rollout"]["plan_digest"],
        document["rollout"]["began"],
        document["rollout"]["ended"],
        *document["rollout"]["controllers"],
        *[host for host, _wave, _steps in FLEET],
        *[why for _host, _wave, steps in FLEET for _at, _phase, why in steps],
        *document["left_out"].values(),
        "41.20261101.3.0",
        "41.20261115.3.1",
    ):
        assert fact in page.text


def test_is_accessible(page: Page) -> None:
    elements = page.elements
    assert ("html", {"lang": "en"}) in elements
    assert [one["scope"] for tag, one in elements if tag == "th"].count("row") == len(FLEET)
    assert all(one.get("scope") for tag, one in elements if tag == "th")
    ids = {one["id"] for _tag, one in elements if "id" in one}
    for _tag, one in elements:
        assert one.get("aria-labelledby", next(iter(ids))) in ids
    # A drawing has words for those who do not see it, or it is hidden from them because words stand beside it.
    drawings = [one for tag, one in elements if tag == "svg"]
    assert drawings
    assert all(one.get("aria-label") if one.get("role") == "img" else one.get("aria-hidden") for one in drawings)
    # A result is a word and a shape, never a colour alone.
    assert len(re.findall(r'class="result \w+"><svg class="icon"[^>]*><use href="#\w+"/></svg>\w+', html(made()))) == 30


def test_every_icon_is_drawn() -> None:
    phases = ("steady", "guarded", "booted", "confirmed", "rolled_back", "failed", "unreachable")
    steps = [(f"h{number}", 1, [(number, phase, "")]) for number, phase in enumerate(phases)]
    for state in ("open", "stopped", "done", "superseded", "a state of tomorrow"):
        elements = Page(html(made(state=state, fleet=steps))).elements
        drawn = {f"#{one['id']}" for tag, one in elements if tag == "symbol"}
        assert {one["href"] for tag, one in elements if tag == "use"} <= drawn


def test_everything_from_outside_is_escaped() -> None:
    fleet = [(HOSTILE, 1, [(3, "staged", HOSTILE), (9, "failed", HOSTILE)])]
    page = Page(html({**made(name=HOSTILE, fleet=fleet), "left_out": {HOSTILE: HOSTILE}}))
    assert not {"script", "img"} & {tag for tag, _attributes in page.elements}
    assert page.text.count(HOSTILE) >= 8
    assert not [one for _tag, one in page.elements if "onerror" in one]
    assert any(str(one.get("aria-label", "")).startswith(HOSTILE) for _tag, one in page.elements)


def test_a_rollout_of_nobody() -> None:
    page = Page(html(made(state="open", fleet=[])))
    assert "nobody so far" in page.text
    assert "not yet" in page.text


def test_same_record_same_page() -> None:
    assert html(made()) == html(made())
    assert str(BEGAN) not in html(made())
