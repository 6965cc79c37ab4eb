# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may reboot, situation by situation, and over random books."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.books import shown, stops
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.budget import (
    Books,
    Breaker,
    Group,
    Lock,
    UnderWay,
    admit,
    tripped,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.protocol import (
    Identity,
    Kind,
    ProtocolError,
)

NOW = 1_000_000
ME = Identity("me", "g")


def _lock(name: str, group: str = "g", lease: int = 60) -> Lock:
    return Lock(name, group, NOW - 100, NOW + lease)


def _rollout(*away: str, name: str = "upgrade", state: str = "open", unavailable: int = 9) -> UnderWay:
    ended = None if state == "open" else NOW - 5
    return UnderWay(1, name, state, "because", ended, unavailable, frozenset(away))


def _books(*locks: Lock, slots: int = 2, rollouts: tuple[UnderWay, ...] = (), tied: str | None = None) -> Books:
    return Books([Group("g", slots, tied), Group("other", 5)], locks, rollouts, Breaker(), 1, NOW)


def _answer(books: Books, who: Identity = ME) -> Kind | None:
    try:
        admit(books, who)
    except ProtocolError as exc:
        return exc.kind
    return None


@pytest.mark.parametrize(
    ("books", "expected"),
    [
        pytest.param(_books(), None, id="nobody is away"),
        pytest.param(_books(_lock("a")), None, id="a slot is free"),
        pytest.param(_books(_lock("a"), _lock("b")), Kind.FAILED_LOCK, id="all slots are taken"),
        pytest.param(_books(_lock("a"), _lock("me")), None, id="held already"),
        pytest.param(_books(_lock("me"), slots=1), None, id="held already, with the only slot"),
        pytest.param(_books(_lock("a"), _lock("b", "other")), None, id="another group has slots of its own"),
        pytest.param(_books(_lock("a"), _lock("b", lease=-1)), None, id="a lease that expired frees the slot"),
        pytest.param(_books(_lock("a"), _lock("b", lease=0)), Kind.FAILED_LOCK, id="a lease in its last second"),
        pytest.param(_books(_lock("a", lease=-1), _lock("b", lease=-1)), Kind.BREAKER_TRIPPED, id="two are lost"),
        pytest.param(_books(_lock("a"), rollouts=(_rollout("d"),)), Kind.FAILED_LOCK, id="a driven host takes a slot"),
        pytest.param(_books(rollouts=(_rollout("d"),)), None, id="one slot is left beside the driven host"),
        pytest.param(_books(_lock("d"), rollouts=(_rollout("d"),)), None, id="a driven host with a lock counts once"),
        pytest.param(_books(rollouts=(_rollout("me"),), slots=1), None, id="the driven host itself"),
        pytest.param(
            _books(rollouts=(_rollout("d", unavailable=1),)), Kind.FAILED_LOCK, id="the rollout's budget is used up"
        ),
        pytest.param(
            _books(_lock("a", "other"), rollouts=(_rollout(unavailable=1),)),
            Kind.FAILED_LOCK,
            id="the rollout's budget is used up by locks of another group",
        ),
        pytest.param(
            _books(_lock("a"), _lock("z"), rollouts=(_rollout("d", unavailable=1),), slots=3, tied="elsewhere"),
            None,
            id="tied to another rollout",
        ),
        pytest.param(_books(rollouts=(_rollout(state="stopped"),)), Kind.BREAKER_TRIPPED, id="a rollout stopped"),
        pytest.param(
            _books(_lock("me"), rollouts=(_rollout(state="stopped"),)),
            Kind.BREAKER_TRIPPED,
            id="a holder that asks again has not rebooted yet",
        ),
        pytest.param(_books(rollouts=(_rollout(state="paused"),)), Kind.BREAKER_TRIPPED, id="a state not known here"),
    ],
)
def test_situation(books: Books, expected: Kind | None) -> None:
    assert _answer(books) is expected


def test_unknown_group() -> None:
    assert _answer(_books(), Identity("me", "nobody")) is Kind.UNKNOWN_GROUP


def test_a_lock_of_a_group_that_is_gone_still_draws_on_the_rollout() -> None:
    rollout = _rollout(unavailable=1)
    assert _books(_lock("a", "gone"), rollouts=(rollout,)).away_beside(rollout) == {"a"}


def test_the_word_of_a_human() -> None:
    books = replace(_books(), breaker=Breaker(True, "storage is being rebuilt", "ops"))
    assert tripped(books) == "storage is being rebuilt (tripped by ops)"
    assert _answer(books) is Kind.BREAKER_TRIPPED


def test_a_reset_forgives_the_stops_it_knew_and_no_later_one() -> None:
    books = _books(rollouts=(_rollout(state="stopped"),))
    books = replace(books, breaker=Breaker(forgiven=stops(books)))
    assert tripped(books) is None
    again = replace(books, rollouts=[replace(books.rollouts[0], ended_at=NOW)])
    assert tripped(again) == "rollout upgrade is stopped: because"


def test_the_status_says_all_of_it() -> None:
    said = shown(_books(_lock("a"), _lock("b", lease=-9), rollouts=(_rollout("d"),)))
    assert said["breaker"] == {"tripped": False, "reason": None, "by": None}
    assert said["groups"]["g"] == {"slots": 2, "rollout": None, "away": ["a", "d"]}  # type: ignore[index]
    assert [one["id"] for one in said["lost"]] == ["b"]  # type: ignore[attr-defined]


_NAMES = st.sampled_from(["me", "a", "b", "c", "d", "e"])
_LOCKS = st.lists(st.builds(_lock, _NAMES, st.sampled_from(["g", "other"]), st.sampled_from([-5, 60])), max_size=6)
_ROLLOUTS = st.builds(
    lambda away, unavailable, state: _rollout(*away, unavailable=unavailable, state=state),
    st.sets(_NAMES, max_size=4),
    st.integers(1, 4),
    st.sampled_from(["open", "stopped"]),
)


@given(_LOCKS, st.lists(_ROLLOUTS, max_size=2), st.integers(1, 4))
def test_a_yes_never_breaks_a_budget(locks: list[Lock], rollouts: list[UnderWay], slots: int) -> None:
    books = _books(*locks, slots=slots, rollouts=tuple(rollouts))
    if _answer(books) is not None or books.holds(ME):
        return
    assert all(one.state == "open" for one in rollouts)
    assert len([one for one in locks if not one.live(NOW)]) <= 1
    assert len(books.away_for(books.groups[0]) | {"me"}) <= slots
    for one in rollouts:
        assert len(books.away_beside(one) | {"me"}) <= one.max_unavailable
