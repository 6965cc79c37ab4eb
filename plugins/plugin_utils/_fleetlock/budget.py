# SPDX-License-Identifier: GPL-3.0-or-later
"""May this host reboot now? A pure function of the locks, the rollouts under way and the breaker. A doubt: no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._rollout.ledger import OPEN
from .protocol import Identity, Kind, ProtocolError


@dataclass(frozen=True)
class Group:
    """Hosts that share `slots` reboots at a time, among them and with the hosts that are driven.

    `rollout`: the name of the rollout that the group shares its budget with; None: with every one.
    """

    name: str
    slots: int
    rollout: str | None = None

    def shares(self, rollout: str) -> bool:
        return self.rollout is None or self.rollout == rollout


@dataclass(frozen=True)
class Lock:
    """A lock that was granted. It counts until `until`; after that its host is lost: it never reported back."""

    id: str
    group: str
    taken_at: int
    until: int

    def live(self, now: int) -> bool:
        return self.until >= now


@dataclass(frozen=True)
class UnderWay:
    """A rollout that is not over. `away`: its hosts that are rebooting, or are not known to be up."""

    id: int
    name: str
    state: str
    why: str | None
    ended_at: int | None
    max_unavailable: int
    away: frozenset[str]


@dataclass(frozen=True)
class Breaker:
    """What a human said last. `forgiven`: the stops of rollouts, (id, time), that were known when it was reset."""

    tripped: bool = False
    why: str = ""
    by: str = ""
    at: int = 0
    forgiven: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Books:
    """All that an answer depends on, read in one transaction. `now`: the database's clock. `max_lost`: how many hosts
    may stay away for good before the breaker trips."""

    groups: Sequence[Group]
    locks: Sequence[Lock]
    rollouts: Sequence[UnderWay]
    breaker: Breaker
    max_lost: int
    now: int

    def lost(self) -> list[Lock]:
        """Return the locks whose hosts never reported back."""
        return [one for one in self.locks if not one.live(self.now)]

    def group(self, name: str) -> Group | None:
        return next((one for one in self.groups if one.name == name), None)

    def holds(self, who: Identity) -> bool:
        return any(one.id == who.id and one.group == who.group and one.live(self.now) for one in self.locks)

    def away_for(self, group: Group) -> set[str]:
        """Return who uses the slots of a group: holders of its locks, and the hosts that are driven beside it."""
        holders = {one.id for one in self.locks if one.group == group.name and one.live(self.now)}
        return holders.union(*(one.away for one in self.rollouts if group.shares(one.name)))

    def away_beside(self, rollout: UnderWay) -> set[str]:
        """Return who uses the budget of a rollout: its own hosts, and the holders that share it.

        A lock of a group that is not known any more counts everywhere.
        """
        groups = {one.name: one for one in self.groups}
        holders = {
            one.id
            for one in self.locks
            if one.live(self.now) and (one.group not in groups or groups[one.group].shares(rollout.name))
        }
        return holders | rollout.away


def tripped(books: Books) -> str | None:
    """Return why nobody may reboot, or None. A rollout that stopped trips the breaker until that stop is forgiven, or
    until the rollout goes on or is over; hosts that stay away trip it when they are more than `max_lost`."""
    if books.breaker.tripped:
        return f"{books.breaker.why} (tripped by {books.breaker.by})"
    for one in books.rollouts:
        if one.state != OPEN and (one.id, one.ended_at or 0) not in books.breaker.forgiven:
            return f"rollout {one.name} is {one.state}: {one.why or 'no reason recorded'}"
    lost = books.lost()
    if len(lost) > books.max_lost:
        shown = ", ".join(one.id for one in lost[:5])
        return f"{len(lost)} hosts took a lock and never reported back, and {books.max_lost} may: {shown}"
    return None


def admit(books: Books, who: Identity) -> None:
    """Return where `who` may reboot now. Raises ProtocolError where not."""
    group = books.group(who.group)
    if group is None:
        raise ProtocolError(Kind.UNKNOWN_GROUP, f"unknown group {who.group!r}")
    # Before recursion: who asks has not rebooted yet, so also a holder can still be kept from it.
    reason = tripped(books)
    if reason is not None:
        raise ProtocolError(Kind.BREAKER_TRIPPED, f"no host may reboot: {reason}")
    if books.holds(who):
        return
    users = sorted(books.away_for(group) - {who.id})
    if len(users) >= group.slots:
        raise ProtocolError(
            Kind.FAILED_LOCK, f"all {group.slots} semaphore slots currently locked, held by {_shown(users)}"
        )
    for rollout in books.rollouts:
        if rollout.state != OPEN or not group.shares(rollout.name):
            continue
        away = sorted(books.away_beside(rollout) - {who.id})
        if len(away) >= rollout.max_unavailable:
            raise ProtocolError(
                Kind.FAILED_LOCK,
                f"max_unavailable of rollout {rollout.name} is {rollout.max_unavailable}, away are {_shown(away)}",
            )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else "nobody"
