# SPDX-License-Identifier: GPL-3.0-or-later
"""The last look into the ledger before a host is told to reboot: is it still in the hands of who tells it?

Between the gate and the order lie a baseline, a drain, and whatever held the controller up: a closed lid, a paused VM.
Meanwhile the lease may have ended, the host may count as lost or be in other hands, and others may have been let in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import FlotillaError, Refused
from .._model.host import Clock
from .._model.phase import IN_FLIGHT
from .conduct import Conductor
from .controller import is_gone, this_controller
from .ledger import HostRecord, Ledger, Writer
from .patience import until_recorded

# How long (s) after the ledger was asked a host may be told to reboot, by the clock of the host. Longer than the two
# round trips that it takes, shorter than any lease that is of use.
ORDER_WITHIN = 60


class Permits(Conductor):
    """Leases that are asked for again, by the controller that has them."""

    def renew(self, host: str, token: int, lease: int, into_target: bool) -> int:
        """Begin the lease of `host` anew, `lease` seconds from now; return for how long (s) the host may be told.

        `into_target`: the order leads into the target of the plan, which must not have been found bad since.
        Raises Refused when the lease is not ours any more, and for any doubt of it.
        """
        if self.gone(self.controller):
            raise FlotillaError(f"cannot tell {host} to reboot: this run is dead")
        with self.ledger.write() as writer:
            rollout = self._taking_part(writer, host)
            record = rollout.find(host)
            if record is None:
                why: str | None = f"it is not in the plan of rollout {self.name}"
            else:
                why = self._over(writer, record, token)
                if why is None and into_target and record.target in writer.quarantine():
                    why = f"{record.target[:12]} was put in quarantine since it was let through the gate"
            if why is not None:
                raise Refused(f"cannot tell {host} to reboot: {why}; it was not told to")
            within = min(ORDER_WITHIN, lease)
            # Given out it cannot be called back: also from one that dies now nobody takes the host before it is over.
            writer.permit(rollout.id, host, token, within, lease)
        return within

    def _over(self, writer: Writer, record: HostRecord, token: int) -> str | None:
        """Say why lease `token` does not give `record` to us; None when it does."""
        if record.token != token:
            return f"lease {token} is over, it was taken over with lease {record.token}"
        if record.phase not in IN_FLIGHT or record.controller != self.controller:
            return (
                f"lease {token} is over, it is recorded as {record.phase.value}: {record.why or 'no reason recorded'}"
            )
        if record.lease_until is None or record.lease_until < writer.now:
            return f"lease {token} has run out, and others may count it as lost"
        return None


@dataclass(frozen=True)
class Permission:
    """The right to tell one host to reboot, by the lease that the gate gave. See Permits.renew."""

    url: str
    name: str
    host: str
    token: int
    lease: int
    into_target: bool
    clock: Clock
    say: Callable[[str], None]

    @classmethod
    def of(
        cls, option: Mapping[str, Any], host: str, into_target: bool, clock: Clock, say: Callable[[str], None]
    ) -> Permission:
        """The permission that a task's option `permission` describes."""
        names = ("name", "token", "lease")
        return cls(option["ledger"], host=host, into_target=into_target, clock=clock, say=say, **_only(option, names))

    def until(self, uptime: Callable[[], int]) -> int:
        """Return the uptime (s) of the host at which the permission ends; `uptime` reads it on the host.

        It is read before the ledger is asked, and anew for each try: whatever holds us up after that is on our time,
        and not on the host's. While the database does not answer the host waits. Raises Refused, FlotillaError.
        """

        def ask() -> int:
            before = uptime()
            ledger = Ledger(self.url, create=False)
            permits = Permits(ledger, self.name, this_controller(), is_gone)
            return before + permits.renew(self.host, self.token, self.lease, self.into_target)

        return until_recorded(self.host, ask, self.clock, self.say, f"tell {self.host} to reboot")


def _only(option: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: option[name] for name in names}
