# SPDX-License-Identifier: GPL-3.0-or-later
"""How a turn is judged: success takes positive proof of every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.turn import left

BASELINE = {"verdict": {"healthy": True}, "msg": "healthy"}
BOOTED = {"boot": {}, "msg": "runs 2"}
GOOD = {"verdict": {"healthy": True}, "msg": "healthy"}
SICK = {"failed": True, "verdict": {"healthy": False}, "msg": "sick"}
SKIPPED = {"skipped": True, "skip_reason": "Conditional result was False"}
GONE = {"unreachable": True, "msg": "no route"}
CONFIRMED = {"msg": "confirmed"}


def _fell_back(cause: str, phase: str = "rolled_back") -> dict[str, Any]:
    return {"failed": True, "phase": phase, "cause": cause, "msg": cause}


@pytest.mark.parametrize(
    ("results", "phase", "quarantine"),
    [
        pytest.param(
            {"baseline": BASELINE, "boot": BOOTED, "verdict": GOOD, "confirm": CONFIRMED},
            Phase.CONFIRMED,
            False,
            id="every step is proven",
        ),
        pytest.param({"confirm": CONFIRMED}, Phase.FAILED, False, id="confirmed, and nothing else is known"),
        pytest.param(
            {"boot": BOOTED, "verdict": GONE, "confirm": CONFIRMED},
            Phase.UNREACHABLE,
            False,
            id="nobody saw it healthy",
        ),
        pytest.param(
            {"boot": BOOTED, "verdict": SKIPPED, "confirm": CONFIRMED}, Phase.FAILED, False, id="verdict was skipped"
        ),
        pytest.param(
            {"boot": GONE, "verdict": GOOD, "confirm": CONFIRMED}, Phase.UNREACHABLE, False, id="nobody saw it boot"
        ),
        pytest.param(
            {"boot": BOOTED, "verdict": {"verdict": {"healthy": False}}, "confirm": CONFIRMED},
            Phase.FAILED,
            False,
            id="a verdict that is not good",
        ),
        pytest.param({"boot": _fell_back("boot_failed")}, Phase.ROLLED_BACK, True, id="never came up"),
        pytest.param({"boot": _fell_back("not_confirmed")}, Phase.ROLLED_BACK, True, id="nobody could confirm it"),
        pytest.param({"boot": _fell_back("not_activated")}, Phase.ROLLED_BACK, False, id="never tried"),
        pytest.param({"boot": _fell_back("", "unreachable")}, Phase.UNREACHABLE, False, id="never came back"),
        pytest.param(
            {"boot": BOOTED, "verdict": SICK, "rollback": {"msg": "back"}},
            Phase.ROLLED_BACK,
            True,
            id="sick, went back",
        ),
        pytest.param({"boot": BOOTED, "verdict": SICK, "rollback": GONE}, Phase.UNREACHABLE, True, id="sick, vanished"),
        pytest.param(
            {"boot": BOOTED, "verdict": SICK, "rollback": {"failed": True, "msg": "no way"}},
            Phase.FAILED,
            True,
            id="sick, and stays",
        ),
        pytest.param({"baseline": GONE, "boot": SKIPPED}, Phase.UNREACHABLE, False, id="vanished before the reboot"),
        pytest.param(
            {"boot": BOOTED, "verdict": GOOD, "confirm": {"failed": True, "msg": "too late"}},
            Phase.FAILED,
            False,
            id="confirm failed",
        ),
        pytest.param({}, Phase.FAILED, False, id="cut off"),
    ],
)
def test_judgement(results: dict[str, Any], phase: Phase, quarantine: bool) -> None:
    judged = left(results)
    assert (judged.phase, judged.quarantine) == (phase, quarantine)


_RESULTS = st.sampled_from([{}, BASELINE, BOOTED, SICK, SKIPPED, GONE, CONFIRMED, _fell_back("reset"), None])


@given(st.fixed_dictionaries(dict.fromkeys(("baseline", "boot", "verdict", "confirm", "rollback"), _RESULTS)))
def test_no_success_without_a_good_verdict(results: dict[str, Any]) -> None:
    if left(results).phase is Phase.CONFIRMED:
        assert results["verdict"] == GOOD
        assert all(results[name] and not results[name].get("failed") for name in ("boot", "confirm"))
        assert not any(results[name].get("unreachable") for name in ("boot", "confirm"))
