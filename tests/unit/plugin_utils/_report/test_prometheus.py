# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

from made_rollout import BEGAN, FLEET, NEW, OLD, made

from ansible_collections.flotilla.container_os.plugins.plugin_utils._report.prometheus import prometheus
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import Quarantined

# The text format 0.0.4, as its specification has it.
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
_SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)\{{({_LABEL}(?:,{_LABEL})*)\}} (\d+)")


def _read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], int]:
    """Read the exposition format strictly: HELP, then TYPE, then samples, each metric in one piece, no sample twice."""
    assert text.endswith("\n")
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    current, seen = "", set()
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in seen
            seen.add(current)
            assert next(lines) == f"# TYPE {current} gauge"
            continue
        found = _SAMPLE.fullmatch(line)
        assert found, line
        assert found[1] == current
        labels = tuple(
            (name, re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), value))
            for name, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2])
        )
        assert (current, labels) not in samples
        samples[current, labels] = int(line.rpartition(" ")[2])
    return samples


def test_state_of_the_rollout() -> None:
    samples = _read(prometheus(made(), []))
    states = {dict(labels)["state"]: value for (name, labels), value in samples.items() if name.endswith("_state")}
    assert states == {"open": 0, "stopped": 1, "done": 0, "superseded": 0}
    assert samples["flotilla_rollout_ended_timestamp_seconds", (("rollout", "upgrade"),)] == BEGAN + 700
    assert samples["flotilla_rollout_hosts", (("rollout", "upgrade"), ("phase", "confirmed"))] == 5
    assert samples["flotilla_rollout_max_failures", (("rollout", "upgrade"),)] == 2


def test_an_open_rollout_has_no_end() -> None:
    names = {name for name, _labels in _read(prometheus(made(state="open"), []))}
    assert "flotilla_rollout_began_timestamp_seconds" in names
    assert "flotilla_rollout_ended_timestamp_seconds" not in names


def test_versions_of_the_fleet() -> None:
    samples = _read(prometheus(made(), []))
    versions = {
        (dict(labels)["version"], dict(labels)["digest"]): value
        for (name, labels), value in samples.items()
        if name == "flotilla_fleet_version_hosts"
    }
    assert versions == {(NEW.name, NEW.digest): 5, (OLD.name, OLD.digest): 3, ("", ""): 2}
    assert sum(name == "flotilla_host_version_info" for name, _labels in samples) == len(FLEET)


def test_quarantine() -> None:
    samples = _read(prometheus(made(), [Quarantined("d" * 64, None, "h1", "it panics", "today")]))
    assert samples["flotilla_quarantined", (("digest", "d" * 64), ("version", ""))] == 1


def test_escapes() -> None:
    hostile = 'a\\b"c\nd} 1'
    samples = _read(prometheus(made(fleet=[(hostile, 1, [])], name=hostile), []))
    hosts = {dict(labels)["host"] for (name, labels) in samples if name == "flotilla_host_phase"}
    assert hosts == {hostile}
