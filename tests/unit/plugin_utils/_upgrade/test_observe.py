# SPDX-License-Identifier: GPL-3.0-or-later
"""One observation: one round trip, whatever is asked; absent is None, and what cannot be read is an error."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._host import ARGUMENT_LIMIT
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import as_argument, frame
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import MacSystem, UpdaterState
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.observe import (
    LOOK_LIMIT,
    WORK_LIMIT,
    observe,
    observe_offer,
    probes,
    reach,
)

NEW = "b" * 64
SUMMARY = f"* stable\n    Latest Commit (1 bytes):\n      {NEW}\n    Version (ostree.commit.version): 2\n"


def _offers(host: Any, text: str = SUMMARY, rc: int = 0, stderr: str = "") -> None:
    host.acts["offer.ostree"] = lambda _host: Result("offer.ostree", "ostree remote summary lab", rc, text, stderr)


def test_a_tool_that_hangs_does_not_hold_the_run_for_ever(steady: Any) -> None:
    _offers(steady)
    observe(steady)
    observe_offer(steady)
    assert steady.limits == [LOOK_LIMIT, WORK_LIMIT]


def test_the_longest_question_fits_into_an_argument() -> None:
    """Where nothing can be sent to stdin (su, a sudo that wants a terminal), with room to spare for quoting."""
    steps = [*(driver.offer_probe() for driver in DRIVERS), *probes()]
    program = frame("m" * 25, [step for step in steps if not step.on])
    assert len(as_argument(program)) < 0.85 * ARGUMENT_LIMIT


def test_everything_in_one_round_trip(staged: Any) -> None:
    state = observe(staged).state
    assert staged.round_trips == 1
    assert state.driver == "ostree"
    assert state.staged is not None
    assert state.staged.digest == NEW
    assert state.channel is not None
    assert state.channel.name == "stable"
    assert state.mac.system is MacSystem.NONE
    assert state.native_updater.state is UpdaterState.ABSENT
    assert state.guard is state.busy is state.last_fallback is None
    assert "guard" in state.capabilities


def test_host_of_no_known_kind_can_be_read_and_is_refused_by_name(steady: Any) -> None:
    observed = observe(steady, drivers=())
    assert observed.state.driver is None
    assert observed.state.booted is None
    with pytest.raises(Refused, match="cannot stage: an unknown OS has no update mechanism that is known here"):
        observed.driven("stage")


def test_required_step_that_fails_hides_the_state(steady: Any) -> None:
    steady.acts["drop"] = lambda _host: Result("drop", "rm x", 1, "", "busy")
    with pytest.raises(FlotillaError, match="cannot drop on h1: .*busy"):
        observe(steady, [Step("drop", "rm x", required=True)])


def test_no_boot_id_is_no_observation(steady: Any) -> None:
    steady.boot_id = ""
    with pytest.raises(CannotParse, match="boot id"):
        observe(steady)


def test_offer_comes_with_the_observation(steady: Any) -> None:
    _offers(steady)
    observed, offer = observe_offer(steady)
    assert steady.round_trips == 1
    assert (offer.digest, offer.version) == (NEW, "2")
    assert observed.state.driver == "ostree"


def test_version_that_is_not_offered_is_refused_with_the_one_that_is(steady: Any) -> None:
    _offers(steady)
    assert observe_offer(steady, "2")[1].digest == NEW
    with pytest.raises(Refused, match=r"cannot get version 3 on h1: channel stable offers 2 \(bbbbbbbbbbbb\)"):
        observe_offer(steady, "3")


def test_remote_that_does_not_answer(steady: Any) -> None:
    _offers(steady, "", 1, "error: While fetching: [7] Couldn't connect to server")
    with pytest.raises(FlotillaError, match=r"cannot ask remote lab .*Couldn't connect"):
        observe_offer(steady)


def test_reaching_waits_for_a_host_and_then_leaves_it_to_others(steady: Any, clock: Any) -> None:
    steady.acts["reach"] = lambda _host: None
    steady.away = 3
    reach(steady, clock, 120)
    assert clock.now == 15
    assert len(steady.said) == 3
    steady.away = 1000
    reach(steady, clock, 30)
    assert clock.now == 45


def test_without_patience_reaching_costs_nothing(steady: Any, clock: Any) -> None:
    reach(steady, clock, 0)
    assert steady.round_trips == 0
