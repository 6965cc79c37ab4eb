# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers as curl and wget print them; what they print for real is in the tests of the http probe."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_http import Answer, parse_http


def test_interim_answers_are_passed_over() -> None:
    text = "HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 503 Busy\nA: b\n\nbody\n\nmore"
    assert parse_http("curl", text, "\nrc=0\n", 1) == Answer(503, "body\n\nmore", None)


def test_a_body_that_looks_like_a_head_is_a_body() -> None:
    text = "HTTP/1.1 500 No\n\nHTTP/1.1 200 OK\n\n"
    assert parse_http("curl", text, "\nrc=0\n", 1).status == 500


def test_the_first_answer_counts_where_a_redirect_was_followed() -> None:
    stderr = "  HTTP/1.0 301 Moved\n  Location: /ok\n  HTTP/1.0 200 OK\n\nrc=0\n"
    assert parse_http("wget", "body", stderr, 1).status == 301


def test_busybox_names_a_bad_status_in_its_error() -> None:
    stderr = "wget: server returned error: HTTP/1.1 404 Not Found\n\nrc=1\n"
    assert parse_http("wget", "", stderr, 1) == Answer(404, "", None)


@pytest.mark.parametrize(
    ("tool", "stderr", "error"),
    [
        ("curl", "curl: (7) Failed to connect\n\nrc=7\n", "curl: (7) Failed to connect"),
        ("curl", "\nrc=124\n", "no answer within 3 s"),
        ("wget", "wget: can't connect to remote host\n\nrc=1\n", "wget: can't connect to remote host"),
        ("wget", "\nrc=4\n", "wget exited with 4"),
        ("wget", "", "wget ended without a word"),
    ],
)
def test_no_answer_has_its_cause(tool: str, stderr: str, error: str) -> None:
    assert parse_http(tool, "", stderr, 3) == Answer(None, "", error)


def test_an_answer_without_its_end_is_not_good() -> None:
    answer = parse_http("curl", "HTTP/1.1 200 OK\n\nhal", "curl: (18) transfer closed\n\nrc=18\n", 3)
    assert (answer.status, answer.error) == (200, "curl: (18) transfer closed")


def test_a_killed_shell_leaves_no_code_and_no_good_answer() -> None:
    assert parse_http("curl", "HTTP/1.1 200 OK\n\n", "", 3).error == "curl ended without a word"
