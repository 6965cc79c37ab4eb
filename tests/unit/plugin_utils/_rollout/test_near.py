# SPDX-License-Identifier: GPL-3.0-or-later
"""What is near a host: little, however large the fleet is, and enough for the gate to answer as by the whole record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from backends import ledger_url
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import IN_FLIGHT, Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import schema
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.gate import Answer, ask
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import (
    OPEN,
    PAUSED,
    STOPPED,
    Ledger,
    Writer,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.plan import make_plan
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy

OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
ALIVE, DEAD = "here:1:1", "here:2:2"
S, B, C = Phase.STAGED, Phase.BOOTED, Phase.CONFIRMED


def _document(hosts: int, **options: Any) -> dict[str, Any]:
    fleet = [
        Seen(f"h{number:03}", driver="ostree", booted=OLD, offer=NEW, variables={"rack": f"r{number % 3}"})
        for number in range(hosts)
    ]
    return make_plan(
        fleet, Policy.parse({"waves": [1, "30%", "100%"], "max_unavailable": "50%", **options}), {}
    ).document()


def _write(writer: Writer, document: dict[str, Any], **rows: dict[str, Any]) -> int:
    """Record a rollout; `rows`: host to what its row says, instead of steady."""
    number = writer.open_rollout("upgrade", document)
    for host, values in rows.items():
        writer.connection.execute(
            schema.hosts.update()
            .where(schema.hosts.c.rollout_id == number, schema.hosts.c.host == host)
            .values(**values)
        )
    return number


@dataclass(frozen=True)
class Fleet:
    """A rollout in the middle. `rows`: phase, whether its controller is dead, and the age (s) of its end, if known."""

    rows: list[tuple[Phase, bool, int | None]]
    options: dict[str, Any]
    state: str


_ROWS = st.lists(
    st.tuples(st.sampled_from([S, S, C, C, C, *Phase]), st.booleans(), st.one_of(st.none(), st.integers(-50, 150))),
    min_size=3,
    max_size=14,
)
_OPTIONS = st.fixed_dictionaries(
    {
        "max_failures": st.integers(0, 4),
        "wave_soak": st.sampled_from([0, 100, [0, 100], [100, 0]]),
        "waves": st.sampled_from([[1, "30%", "100%"], [1], ["100%"], ["20%"]]),
    },
    optional={
        "max_unavailable_per": st.just({"rack": 1}),
        "max_failures_per": st.just({"rack": 0}),
        "windows": st.just(
            [
                {"from": "11:00", "to": "13:00", "hosts": "rack == 'r0'"},
                {"from": "12:00", "to": "11:00", "hosts": "rack != 'r0'"},
            ]
        ),
    },
)
FLEETS = st.builds(Fleet, _ROWS, _OPTIONS, st.sampled_from([OPEN, OPEN, OPEN, PAUSED, STOPPED]))


@settings(max_examples=40, deadline=None)
@given(fleet=FLEETS)
def test_the_gate_says_the_same_as_with_the_whole_record(fleet: Fleet) -> None:
    ledger = Ledger("sqlite:////nowhere/near.sqlite", create=False)
    with ledger.write() as writer:
        document = _document(len(fleet.rows), **fleet.options)
        rows = {
            f"h{number:03}": {
                "phase": phase.value,
                "why": "because",
                "controller": (DEAD if dead else ALIVE) if phase in IN_FLIGHT else None,
                "lease_until": writer.now + 60 if phase in IN_FLIGHT else None,
                "left_at": None if age is None else writer.now - age,
            }
            for number, (phase, dead, age) in enumerate(fleet.rows)
        }
        number = _write(writer, document, **rows)
        if fleet.state != OPEN:
            writer.set_state(number, fleet.state, "so it was said")
    with ledger.write() as writer:
        for host in rows:
            whole, part = writer.rollout("upgrade"), writer.near("upgrade", host)
            assert whole is not None and part is not None
            answers = [
                ask(one, host, writer.now, lambda name: name == DEAD, ALIVE, locked={"h001"}) for one in (whole, part)
            ]
            assert answers[0] == answers[1]


@pytest.mark.usefixtures("backend")
def test_it_does_not_grow_with_the_fleet(tmp_path: Path) -> None:
    ledger, near = Ledger(ledger_url(tmp_path)), []
    for size in (30, 300):
        with ledger.write() as writer:
            rows = {f"h{number:03}": {"phase": C.value, "left_at": writer.now} for number in range(size // 2)}
            document = _document(size, wave_soak=10, max_unavailable_per={"rack": 1})
            _write(writer, document, **rows, **{f"h{size - 2:03}": {"phase": B.value}})
        with ledger.write() as writer:
            near.append(writer.near("upgrade", f"h{size - 1:03}"))
    sizes = [
        (len(one.hosts), len(one.plan["waves"][0]), len(one.plan["left_out"]) if "left_out" in one.plan else 0)
        for one in near
        if one
    ]
    assert sizes[0] == sizes[1]
    assert sizes[0][0] < 15


@pytest.mark.usefixtures("backend")
def test_it_is_read_again_when_something_has_changed(tmp_path: Path) -> None:
    ledger, other = Ledger(ledger_url(tmp_path)), Ledger(ledger_url(tmp_path))
    with ledger.write() as writer:
        _write(writer, _document(6, waves=["100%"]), **{f"h{number:03}": {"phase": S.value} for number in range(6)})
    with ledger.write() as writer:
        first = writer.near("upgrade", "h000")
    with ledger.write() as writer:
        assert writer.near("upgrade", "h000") is first
    with other.write() as writer:
        whole = writer.rollout("upgrade")
        assert whole is not None
        writer.move(whole, "h001", Phase.FAILED, "it broke", "other")
    with ledger.write() as writer:
        again = writer.near("upgrade", "h000")
        assert again is not None
        assert [one.host for one in again.hosts] == ["h000", "h001"]
        assert ask(again, "h000", writer.now, lambda _name: False).answer is Answer.STOP


@pytest.mark.usefixtures("backend")
def test_a_rollout_that_is_older_than_the_schema_is_read_whole(tmp_path: Path) -> None:
    ledger = Ledger(ledger_url(tmp_path))
    with ledger.write() as writer:
        _write(writer, _document(6))
        writer.connection.execute(schema.rollouts.update().values(terms=sa.null()))
        writer.connection.execute(schema.hosts.update().values(place=sa.null()))
    with ledger.write() as writer:
        assert writer.near("upgrade", "h000") == writer.rollout("upgrade")


def test_no_rollout_and_no_such_host(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    with ledger.write() as writer:
        assert writer.near("upgrade", "h000") is None
        _write(writer, _document(3))
    with ledger.write() as writer:
        record = writer.near("upgrade", "h999")
        assert record is not None
        assert ask(record, "h999", writer.now, lambda _name: False).answer is Answer.REFUSE
