# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout in Prometheus' text format, for the textfile collector of node_exporter. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._model.phase import Phase
from .._rollout.ledger import DONE, OPEN, STOPPED, SUPERSEDED
from .._rollout.plan import Quarantined

STATES = (OPEN, STOPPED, DONE, SUPERSEDED)


@dataclass(frozen=True)
class _Metric:
    """A gauge with its samples: labels and value."""

    name: str
    help: str
    samples: Sequence[tuple[Mapping[str, object], int]]

    def lines(self) -> Iterator[str]:
        if self.samples:
            yield f"# HELP {self.name} {_text(self.help)}"
            yield f"# TYPE {self.name} gauge"
        for labels, value in self.samples:
            shown = ",".join(f'{key}="{_label(one)}"' for key, one in labels.items())
            yield f"{self.name}{{{shown}}} {value}"


def prometheus(document: Mapping[str, Any], quarantine: Sequence[Quarantined]) -> str:
    """Return the metrics of a report: the state of the rollout, the phase and the version of each host."""
    return "".join(f"{line}\n" for metric in _metrics(document, quarantine) for line in metric.lines())


def _metrics(document: Mapping[str, Any], quarantine: Sequence[Quarantined]) -> Iterator[_Metric]:
    rollout, hosts = document["rollout"], document["hosts"]
    name = {"rollout": rollout["name"]}
    phases = Counter(one["phase"] for one in hosts)
    versions = Counter((_version(one), _digest(one)) for one in hosts)
    about = {**name, "id": rollout["id"], "plan_digest": rollout["plan_digest"]}
    yield _Metric("flotilla_rollout_info", "The newest rollout of that name.", [(about, 1)])
    yield _Metric(
        "flotilla_rollout_state",
        "1 for the state that the rollout is in.",
        [({**name, "state": state}, int(state == rollout["state"])) for state in STATES],
    )
    yield _Metric(
        "flotilla_rollout_began_timestamp_seconds", "When it was planned.", [(name, int(rollout["began_epoch"]))]
    )
    ended = rollout["ended_epoch"]
    yield _Metric(
        "flotilla_rollout_ended_timestamp_seconds",
        "When it was done or stopped; absent while it is open.",
        [] if ended is None else [(name, int(ended))],
    )
    yield _Metric(
        "flotilla_rollout_hosts",
        "Hosts of the rollout in each phase.",
        [({**name, "phase": phase.value}, phases[phase.value]) for phase in Phase],
    )
    left_out = len(document["left_out"])
    yield _Metric("flotilla_rollout_hosts_left_out", "Hosts that the plan left out.", [(name, left_out)])
    for budget, words in (("max_unavailable", "be away at the same time"), ("max_failures", "fail")):
        yield _Metric(f"flotilla_rollout_{budget}", f"How many hosts may {words}.", [(name, int(rollout[budget]))])
    yield _Metric(
        "flotilla_host_phase",
        "1 for the phase that the host is in.",
        [({**name, "host": one["host"], "wave": one["wave"], "phase": one["phase"]}, 1) for one in hosts],
    )
    yield _Metric(
        "flotilla_host_version_info",
        "What the host runs as far as it is proven; an empty digest where nobody knows.",
        [({**name, "host": one["host"], "version": _version(one), "digest": _digest(one)}, 1) for one in hosts],
    )
    yield _Metric(
        "flotilla_fleet_version_hosts",
        "Hosts of the rollout that run each version; an empty digest where nobody knows.",
        [({**name, "version": version, "digest": digest}, n) for (version, digest), n in sorted(versions.items())],
    )
    yield _Metric(
        "flotilla_quarantined",
        "1 for each digest that no rollout may offer.",
        [({"digest": one.digest, "version": one.version or ""}, 1) for one in quarantine],
    )


def _version(host: Mapping[str, Any]) -> str:
    return str((host["runs"] or {}).get("name") or "")


def _digest(host: Mapping[str, Any]) -> str:
    return str((host["runs"] or {}).get("digest") or "")


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _label(value: object) -> str:
    return _text(str(value)).replace('"', '\\"')
