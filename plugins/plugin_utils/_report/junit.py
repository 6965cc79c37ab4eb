# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout as JUnit XML, for CI: one test case for each host. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(document: Mapping[str, Any]) -> str:
    """Return the XML of a report. A host that is not confirmed and not bad, or was left out, is a skipped case."""
    rollout = document["rollout"]
    hosts, left_out = document["hosts"], document["left_out"]
    skipped = sum(one["verdict"] == "pending" for one in hosts) + len(left_out)
    counts = {
        "tests": str(len(hosts) + len(left_out)),
        "failures": str(sum(one["verdict"] == "bad" for one in hosts)),
        "errors": "0",
        "skipped": str(skipped),
        "time": str(rollout["seconds"] or 0),
    }
    suites = ElementTree.Element("testsuites", {"name": "flotilla", **counts})
    name = _clean(f"{rollout['name']} #{rollout['id']}")
    stamp = rollout["began"].removesuffix(" UTC").replace(" ", "T")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": name, "timestamp": stamp, **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for key in ("state", "why", "plan_digest", "began", "ended"):
        value = _clean(rollout[key])
        ElementTree.SubElement(properties, "property", {"name": key, "value": value})
    for one in hosts:
        case = _case(suite, one["host"], f"{rollout['name']}.wave-{one['wave']}", one["seconds"] or 0)
        if one["verdict"] == "bad":
            failure = ElementTree.SubElement(
                case, "failure", {"type": one["phase"], "message": _clean(f"{one['phase']}: {one['why']}")}
            )
            failure.text = _clean(_evidence(one))
        elif one["verdict"] == "pending":
            ElementTree.SubElement(
                case, "skipped", {"message": _clean(f"{one['phase']}: {one['why'] or 'not touched'}")}
            )
    for host, reason in left_out.items():
        case = _case(suite, host, f"{rollout['name']}.left-out", 0)
        ElementTree.SubElement(case, "skipped", {"message": _clean(reason)})
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _case(suite: ElementTree.Element, host: str, group: str, seconds: int) -> ElementTree.Element:
    attributes = {"name": _clean(host), "classname": _clean(group), "time": str(seconds)}
    return ElementTree.SubElement(suite, "testcase", attributes)


def _evidence(host: Mapping[str, Any]) -> str:
    """Return the way of a host, a line for each step."""
    return "\n".join(f"{step['at']}  {step['phase']}: {step['why'] or ''}".rstrip() for step in host["transitions"])


def _clean(value: object) -> str:
    return _ILLEGAL.sub("\ufffd", "" if value is None else str(value))
