# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before any host is touched."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.http import Http
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.systemd import Systemd
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import (
    State,
    Where,
    read_probes,
    read_request,
    validate_durations,
    validate_probes,
)

WEB = {"name": "web", "type": "http", "url": "http://127.0.0.1:8080/health"}
OPTIONS = {"probes": [WEB], "state": "verdict", "baseline": None, "stable_for": 30, "timeout": 60, "interval": 5}


def test_a_whole_probe() -> None:
    given = {
        **WEB,
        "status": ["200", 204],
        "timeout": "5",
        "query": "json.ready",
        "expect": [True, "yes"],
        "critical": "no",
        "ignore_baseline": True,
        "where": "host",
        "headers": None,  # an omitted variable of a role
    }
    (probe,) = read_probes([given], "x")
    assert probe.kind == Http(url=WEB["url"], status=(200, 204), timeout=5)
    assert (probe.name, probe.type, probe.critical, probe.ignore_baseline) == ("web", "http", False, True)
    assert (probe.expect, probe.where) == ((True, "yes"), Where.HOST)


def test_defaults() -> None:
    (probe,) = read_probes([{"name": "units", "type": "systemd"}], "x")
    assert probe.kind == Systemd()
    assert (probe.query, probe.critical, probe.ignore_baseline) == (None, True, False)


@pytest.mark.parametrize(("expect", "values"), [(None, (None,)), ("a", ("a",)), ([[]], ([],)), ({"a": 1}, ({"a": 1},))])
def test_expect_is_a_value_or_a_list_of_them(expect: object, values: tuple) -> None:
    assert read_probes([{**WEB, "query": "status", "expect": expect}], "x")[0].expect == values


@pytest.mark.parametrize(
    ("units", "names"), [("sshd", ("sshd.service",)), (["a.timer", "b@c.service"], ("a.timer", "b@c.service"))]
)
def test_a_unit_without_a_type_is_a_service(units: object, names: tuple) -> None:
    assert read_probes([{"name": "u", "type": "systemd", "units": units}], "x")[0].kind == Systemd(units=names)


def probe(**options: Any) -> list[dict[str, Any]]:
    return [{"name": "p", **options}]


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        ([], "they must be a list of at least one probe; types are systemd, container, http"),
        (None, "they must be a list of at least one probe"),
        ("web", "they must be a list of at least one probe"),
        (["web"], "probe 1 must be a dictionary"),
        (
            probe(type="htpp", url="x"),
            "probe p: unknown type 'htpp', types are systemd, container, http, tcp, command, ",
        ),
        (probe(type=["http"]), "unknown type"),
        (probe(), "probe p: `type` is required, types are systemd"),
        ([{"type": "systemd"}], "probe 1: `name` is required"),
        ([{"type": "systemd", "name": "a\nb"}], "`name` must be a name of 1 to 100 characters in one line"),
        (probe(type="http"), "probe p: `url` is required"),
        (probe(type="systemd", unit="a"), "unknown option unit, a systemd probe has name, type, query, critical"),
        (probe(type="systemd", units=["a; id"]), "`units` must be the name of a unit, not 'a; id'"),
        (probe(type="systemd", units=["-H"]), "`units` must be the name of a unit"),
        (probe(type="systemd", units=["web*"]), "`units` must be the name of a unit"),
        (probe(type="systemd", units=[]), "`units` must not be an empty list"),
        (probe(type="container", names=["--all"]), "`names` must be the name of a container"),
        (probe(type="container", names=["a"], runtime="lxc"), "`runtime` must be one of auto, podman, docker"),
        (probe(type="http", url="file:///etc/shadow"), "`url` must be an http:// or https:// URL"),
        (probe(type="http", url="http://u:p@h/"), "without name and password"),
        (probe(type="http", url="http://h/ x"), "URL without spaces"),
        (probe(type="http", url="http://h/", timeout=-1), "`timeout` must be a number from 1 to 600, not -1"),
        (probe(type="http", url="http://h/", status=42), "`status` must be a whole number from 100 to 599"),
        (probe(type="tcp", port=0), "`port` must be a whole number from 1 to 65535"),
        (probe(type="tcp", port=1, host="-e"), "`host` must be a host name or an address"),
        (probe(type="tcp", port=1, host="a b"), "`host` must be a host name or an address"),
        (probe(type="command"), "exactly one of `argv` and `cmd` is required"),
        (probe(type="mount", path="var"), "`path` must be an absolute path, not 'var'"),
        (probe(type="mount", path="/", min_free_percent=101), "`min_free_percent` must be a number from 0 to 100"),
        (probe(type="listening", ports=[]), "`ports` must not be an empty list"),
        (probe(type="mac_denials", since="ever"), "`since` must be one of boot, baseline, not 'ever'"),
        (probe(type="mac_denials", after=5), "unknown option after"),
        (probe(type="systemd", query="failed["), "`query` is no valid JMESPath expression: 'failed['"),
        (probe(type="systemd", expect=1), "`expect` needs `query`"),
        (probe(type="systemd", query="system", expect=[]), "to expect an empty list, write [[]]"),
        (probe(type="systemd", critical="maybe"), "`critical` must be true or false, not 'maybe'"),
        (probe(type="systemd", where="moon"), "`where` must be one of host, controller, not 'moon'"),
        (
            probe(type="systemd", where="controller"),
            "a systemd probe cannot look from the controller, only http, tcp, command can",
        ),
        (probe(type="file", path="etc"), "`path` must be an absolute path, not 'etc'"),
        (probe(type="file", path="/a", file_type="door"), "`file_type` must be one of file, directory, socket"),
        (probe(type="file", path="/a", present=False, max_age=1), "`present: false` and `max_age` exclude each other"),
        ([WEB, WEB, WEB], "3 probes have the name web"),
    ],
)
def test_bad_probes_are_refused(probes: Any, said: str) -> None:
    with pytest.raises(Refused) as refused:
        validate_probes(probes, "the probes of the upgrade")
    assert refused.value.message.startswith("cannot use the probes of the upgrade: ")
    assert said in refused.value.message
    assert "\n" not in refused.value.message


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Refused, match=r"probe a: unknown type 'x'.*; probe b: `port` .*; probe b: unknown option z"):
        validate_probes([{"name": "a", "type": "x"}, {"name": "b", "type": "tcp", "port": -1, "z": 1}], "it")


@pytest.mark.parametrize("url", ["https://u:s3cret@h/", "http://h /?token=s3cret", {"http://u:s3cret@h/": 1}])
def test_a_refused_url_is_not_quoted(url: object) -> None:
    with pytest.raises(Refused, match="`url` must be an http") as refused:
        validate_probes(probe(type="http", url=url), "it")
    assert "s3cret" not in refused.value.message


@pytest.mark.parametrize(
    "options", [{**WEB}, {"name": "p", "type": "tcp", "port": 1}, {"name": "c", "type": "command", "argv": ["true"]}]
)
def test_what_can_look_from_the_controller(options: dict[str, Any]) -> None:
    assert read_probes([{**options, "where": "controller"}], "it")[0].where is Where.CONTROLLER


def test_a_refused_probe_shows_no_header() -> None:
    with pytest.raises(Refused) as refused:
        validate_probes([{**WEB, "headers": {"Authorization": "s3cret\n"}}], "it")
    assert "s3cret" not in refused.value.message


@pytest.mark.parametrize("values", [(0, 0, 1), (30, 600, 5), ("30", "600", "5")])
def test_good_durations(values: tuple) -> None:
    validate_durations(*values, "it")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((-1, 60, 5), "`stable_for` must be a whole number from 0 to 86400, not -1"),
        ((0, -60, 5), "`timeout` must be"),
        ((0, 60, 0), "`interval` must be a whole number from 1"),
        ((None, "soon", 5), "`stable_for` must be .*; `timeout` must be .*'soon'"),
        ((10**9, 60, 5), "`stable_for`"),
        ((True, 60, 5), "`stable_for`"),
    ],
)
def test_bad_durations(values: tuple, said: str) -> None:
    with pytest.raises(Refused, match=f"cannot use it: {said}"):
        validate_durations(*values, "it")


def test_the_request() -> None:
    request = read_request(OPTIONS)
    assert (request.state, request.stable_for, request.timeout, request.interval) == (State.VERDICT, 30, 60, 5)
    with pytest.raises(Refused, match="cannot use the options of host_health: `timeout`"):
        read_request({**OPTIONS, "timeout": -1})
