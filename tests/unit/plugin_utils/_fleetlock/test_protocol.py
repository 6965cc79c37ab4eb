# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol, with the requests of real clients and the answers of real servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.protocol import (
    STATUS,
    Identity,
    Kind,
    Meaning,
    ProtocolError,
    endpoint,
    judge,
    read_request,
)

FIXTURES = Path(__file__).parents[2] / "fixtures/fleetlock"
ANSWERS = json.loads((FIXTURES / "answers.json").read_text())


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: f"{case['server']} {case['status']}")
def test_answers_of_real_servers(case: dict[str, Any]) -> None:
    answer = judge(case["status"], case["body"].encode())
    assert (answer.meaning.value, answer.kind, answer.value) == (case["meaning"], case["kind"], case["value"])
    assert str(case["status"]) in answer.sentence()


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("request-airlock", Identity("c988d2509fdf5cdcbed39037c56406fb", "default")),
        ("request-zincati", Identity("e0f3745b108f471cbd4883c6fbed8cdd", "mock-workers")),
    ],
)
def test_requests_of_real_clients(name: str, who: Identity) -> None:
    body = (FIXTURES / f"{name}.json").read_bytes()
    assert read_request("true", body) == who
    assert json.loads(who.body()) == json.loads(body)


@pytest.mark.parametrize("status", [408, 409, 423, 425, 429, 500, 502, 503, 504])
def test_a_refusal_is_asked_again(status: int) -> None:
    assert judge(status, b"").meaning is Meaning.LATER


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 403, 404, 405, 413])
def test_what_asking_again_cannot_change(status: int) -> None:
    assert judge(status, b"<html>no</html>").meaning is Meaning.NEVER
    assert judge(status, b"<html>no</html>").sentence() == f"{status} without a kind: no reason given"


def test_a_reason_is_one_printable_line_of_bounded_length() -> None:
    answer = judge(500, json.dumps({"kind": "a\nb\x1b[31m", "value": "x" * 9000}).encode())
    assert answer.kind == "a b [31m"
    assert len(str(answer.value)) == 300


@pytest.mark.parametrize(("body", "changed"), [(b'{"changed": false}', False), (b"{}", True), (b"no", True)])
def test_a_server_may_say_that_nothing_changed(body: bytes, changed: bool) -> None:
    assert judge(200, body).changed is changed


@pytest.mark.parametrize(
    ("header", "body", "kind"),
    [
        (None, b"{}", Kind.MISSING_HEADER),
        ("yes", b"{}", Kind.MISSING_HEADER),
        ("true", b"", Kind.DECODE_ERROR),
        ("true", b"\xff\xfe\x00", Kind.DECODE_ERROR),
        ("true", b"[" * 5000, Kind.DECODE_ERROR),
        ("true", b"[]", Kind.DECODE_ERROR),
        ("true", b'{"client_params": null}', Kind.DECODE_ERROR),
        ("true", b'{"client_params": {"group": "a"}}', Kind.INVALID_CLIENT_IDENTITY),
        ("true", b'{"client_params": {"id": "", "group": "a"}}', Kind.INVALID_CLIENT_IDENTITY),
        ("true", b'{"client_params": {"id": 7, "group": "a"}}', Kind.INVALID_CLIENT_IDENTITY),
        ("true", b'{"client_params": {"id": "a\\nb", "group": "a"}}', Kind.INVALID_CLIENT_IDENTITY),
        ("true", b'{"client_params": {"id": "a", "group": ""}}', Kind.INVALID_CLIENT_IDENTITY),
        ("true", b'{"client_params": {"id": "a", "group": "a/b"}}', Kind.INVALID_CLIENT_IDENTITY),
    ],
)
def test_bad_requests(header: str | None, body: bytes, kind: Kind) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_request(header, body)
    assert caught.value.kind is kind
    assert set(caught.value.body()) == {"kind", "value"}
    assert all(caught.value.body().values())


def test_every_kind_has_a_status_that_is_a_no() -> None:
    assert set(STATUS) == set(Kind)
    assert all(400 <= status < 600 for status in STATUS.values())


@given(st.binary(max_size=200))
def test_no_request_is_read_by_luck(body: bytes) -> None:
    try:
        who = read_request("true", body)
    except ProtocolError:
        return
    assert Identity.checked(who.id, who.group) == who


@given(st.integers(100, 599), st.binary(max_size=100))
def test_only_2xx_is_a_yes(status: int, body: bytes) -> None:
    assert (judge(status, body).meaning is Meaning.GRANTED) == (200 <= status < 300)


@pytest.mark.parametrize("base", ["http://h:1", "http://h:1/", "http://h:1//"])
def test_a_slash_at_the_end_is_the_same_place(base: str) -> None:
    assert endpoint(base, "/v1/pre-reboot") == "http://h:1/v1/pre-reboot"


def test_a_base_may_have_a_path() -> None:
    assert endpoint("https://h/base", "/v1/steady-state") == "https://h/base/v1/steady-state"


@pytest.mark.parametrize("base", ["h", "ftp://h", "http://u:secret@h/", "http://h/?a=b", "http://h /"])
def test_a_url_that_cannot_be_used_is_not_shown(base: str) -> None:
    with pytest.raises(Refused, match="cannot use the URL of the lock server") as caught:
        endpoint(base, "")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("name", "group"), [("", "a"), ("a b", "a"), ("a" * 201, "a"), ("a", ""), ("a", "a_b")])
def test_an_identity_that_no_server_takes(name: str, group: str) -> None:
    with pytest.raises(Refused, match="of a reboot lock"):
        Identity.checked(name, group)
