# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may tell a host to reboot, at the last moment, on a real ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from backends import ledger_url
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout import permission
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.observed import Seen, Version
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.permission import (
    ORDER_WITHIN,
    Permission,
    Permits,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import Left

pytestmark = pytest.mark.usefixtures("backend")
OLD, NEW = Version("a" * 64, "1"), Version("b" * 64, "2")
POLICY = Policy.parse({"waves": ["100%"], "max_unavailable": 2, "max_failures": 1})
STAGED = {"host_state": {"staged": {"digest": NEW.digest}, "booted": {"digest": OLD.digest}}, "msg": "staged"}


def _permits(path: Path, controller: str = "c1", dead: tuple[str, ...] = ()) -> Permits:
    return Permits(Ledger(ledger_url(path)), "upgrade", controller, lambda one: one in dead)


def _let_in(path: Path, lease: int = 600, controller: str = "c1", dead: tuple[str, ...] = ()) -> int:
    """Plan, stage, and let h1 in; return its token."""
    one = _permits(path, controller, dead)
    fleet = [Seen(name, driver="ostree", booted=OLD, offer=NEW) for name in ("h1", "h2")]
    one.plan(fleet, POLICY, check=False)
    one.staged({"h1": STAGED, "h2": STAGED})
    return int(one.enter("h1", lease, Clock(), lambda _text: None)["token"])


def _record(path: Path) -> Any:
    return next(one for one in Ledger(ledger_url(path)).rollout("upgrade").hosts if one.host == "h1")  # type: ignore[union-attr]


def test_whose_turn_it_is_may_and_its_lease_begins_anew(tmp_path: Path) -> None:
    token = _let_in(tmp_path, lease=100)
    before = _record(tmp_path)
    assert _permits(tmp_path).renew("h1", token, 5000, into_target=True) == ORDER_WITHIN
    after = _record(tmp_path)
    assert after.token == before.token == token
    assert after.lease_until >= before.lease_until + 4900
    assert _permits(tmp_path).renew("h1", token, 7, into_target=True) == 7  # never longer than the lease


def test_lease_that_ran_out_is_over_although_nobody_took_it(tmp_path: Path) -> None:
    token = _let_in(tmp_path, lease=-1)
    with pytest.raises(Refused, match="cannot tell h1 to reboot: lease 1 has run out, and others may count it as lost"):
        _permits(tmp_path).renew("h1", token, 600, into_target=True)
    assert _record(tmp_path).lease_until == pytest.approx(_record(tmp_path).entered_at - 1, abs=1)


def test_nobody_takes_a_host_that_may_still_be_told(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    _permits(tmp_path).renew("h1", token, 600, into_target=True)
    record = _record(tmp_path)
    assert record.permitted_until == pytest.approx(record.lease_until - 600 + ORDER_WITHIN, abs=1)
    heir = _permits(tmp_path, "c2", dead=("c1",))
    fleet = [Seen(name, driver="ostree", booted=OLD, offer=NEW) for name in ("h1", "h2")]
    heir.plan(fleet, POLICY, check=False)  # it sees what runs on h1, and leaves it as it is all the same
    assert _record(tmp_path).controller == "c1"
    said: list[str] = []
    clock = Clock()

    def tell(text: str) -> None:
        said.append(text)
        with Ledger(ledger_url(tmp_path)).write() as writer:
            writer.permit(1, "h1", token, within=-1, lease=600)  # its minute is over

    assert heir.enter("h1", 600, clock, tell)["token"] > token
    assert said == ["waiting: h1 is in the hands of c1"]


def test_taken_over_is_over(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    other = _let_in(tmp_path, controller="c2", dead=("c1",))
    assert other > token
    with pytest.raises(Refused, match=f"lease 1 is over, it was taken over with lease {other}; it was not told to"):
        _permits(tmp_path).renew("h1", token, 600, into_target=True)
    assert _permits(tmp_path, "c2").renew("h1", other, 600, into_target=True) == ORDER_WITHIN


def test_counted_as_gone_is_over(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    with pytest.raises(FlotillaError):
        _permits(tmp_path).leave("h1", Left(Phase.UNREACHABLE, "nobody saw it"), token)
    with pytest.raises(Refused, match="lease 1 is over, it is recorded as unreachable: nobody saw it"):
        _permits(tmp_path).renew("h1", token, 600, into_target=True)


def test_token_of_another_controller_is_none(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    with pytest.raises(Refused, match="this run has not planned it"):
        _permits(tmp_path, "c2").renew("h1", token, 600, into_target=True)


def test_worker_that_outlived_its_run_may_not(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    with pytest.raises(FlotillaError, match="this run is dead"):
        _permits(tmp_path, dead=("c1",)).renew("h1", token, 600, into_target=True)


def test_target_found_bad_meanwhile_is_no_place_to_go_but_to_leave(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    with Ledger(ledger_url(tmp_path)).write() as writer:
        writer.put_in_quarantine(NEW.digest, "2", "h9", "it panics")
    with pytest.raises(Refused, match="bbbbbbbbbbbb was put in quarantine since it was let through the gate"):
        _permits(tmp_path).renew("h1", token, 600, into_target=True)
    assert _permits(tmp_path).renew("h1", token, 600, into_target=False) == ORDER_WITHIN


def test_host_that_is_in_no_plan(tmp_path: Path) -> None:
    token = _let_in(tmp_path)
    with pytest.raises(Refused, match="it is not in the plan of rollout upgrade"):
        _permits(tmp_path).renew("h9", token, 600, into_target=True)


def test_time_of_the_host_begins_before_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a question that had to be asked twice: how long the answer took is on our time."""
    monkeypatch.setattr(permission, "this_controller", lambda: "c1")
    token = _let_in(tmp_path)
    clock, said, uptimes = Clock(), [], iter([100, 140])
    given = {"ledger": f"sqlite:////{tmp_path}", "name": "upgrade", "token": token, "lease": 600}
    gone = Permission.of(given, "h1", True, clock, said.append)
    with pytest.raises(FlotillaError, match="cannot tell h1 to reboot: cannot open the ledger .*; gave up after"):
        gone.until(lambda: 100)
    assert len(said) == 1
    asked = Permission.of({**given, "ledger": ledger_url(tmp_path)}, "h1", True, clock, said.append)
    assert asked.until(lambda: next(uptimes)) == 100 + ORDER_WITHIN
