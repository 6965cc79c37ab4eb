# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from xml.etree import ElementTree

from made_rollout import HOSTILE, made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.junit import junit


def test_one_case_for_each_host() -> None:
    document = made()
    root = ElementTree.fromstring(junit(document))
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    hosts = [one["host"] for one in document["hosts"]]
    assert [case.get("name") for case in cases] == [*hosts, *document["left_out"]]
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "12",
        "failures": "3",
        "errors": "0",
        "skipped": "4",
    }
    assert len(suite.findall(".//failure")) == 3
    assert len(suite.findall(".//skipped")) == 4
    assert suite.get("timestamp") == "2026-11-18T11:06:40"


def test_failures_carry_their_evidence() -> None:
    root = ElementTree.fromstring(junit(made()))
    failure = root.find(".//testcase[@name='edge-paris-01']/failure")
    assert failure is not None
    assert failure.get("type") == "rolled_back"
    assert "the kernel panicked" in str(failure.get("message"))
    assert str(failure.text).splitlines()[0].startswith("2026-11-18 11:07:04 UTC  staged: ")


def test_good_hosts_have_neither_failure_nor_skip() -> None:
    root = ElementTree.fromstring(junit(made()))
    case = root.find(".//testcase[@name='edge-canary-01']")
    assert case is not None
    assert (list(case), case.get("time"), case.get("classname")) == ([], "96", "upgrade.wave-1")


def test_what_xml_cannot_hold() -> None:
    name = HOSTILE + "\x00\x1b[31m\ud800]]>"
    root = ElementTree.fromstring(junit(made(fleet=[(name, 1, [(3, "failed", name)])])).encode())
    case = root.find(".//testcase")
    assert case is not None
    assert case.get("name") == HOSTILE + "\ufffd\ufffd[31m\ufffd]]>"
