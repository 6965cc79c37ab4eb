# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of detached work."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.jobs import parse_job


def _text(state: str = "done", rc: str = "0", log: str = "a\nb\n") -> str:
    return f"state={state}\nrc={rc}\nkey=k\nwhat=staging 2 (ab)\nlog:\n{log}"


def test_done() -> None:
    report = parse_job(_text(rc="7", log="state=gone\nlog:\nend"))
    assert (report.state, report.rc, report.key, report.what) == ("done", 7, "k", "staging 2 (ab)")
    assert report.log == "state=gone\nlog:\nend"


def test_running_has_no_exit_code() -> None:
    assert parse_job(_text("running", "")).rc is None


@pytest.mark.parametrize(
    ("log", "last"),
    [("", ""), ("\n \n", ""), ("one\ntwo\n\n", "two"), ("10%\r50%\r99%", "99%"), ("x" * 500, "x" * 120)],
)
def test_last_line_is_the_progress(log: str, last: str) -> None:
    assert parse_job(_text(log=log)).last_line == last


@pytest.mark.parametrize(
    "text", ["", "state=done\nrc=0\n", _text("asleep"), _text("done", ""), _text("done", "x"), _text("", "0")]
)
def test_unknown_form(text: str) -> None:
    with pytest.raises(CannotParse, match="the state of a job on the host"):
        parse_job(text)
