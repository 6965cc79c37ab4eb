# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of the module `rollout_wave`: what a task that runs the hooks of a wave asks for, what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._errors import FlotillaError
from .._model.host import Clock
from .controller import is_gone, this_controller
from .ledger import Ledger
from .patience import until_recorded
from .wave_keeper import WaveKeeper


class WaveTask:
    """One task of the module. `say`: shows progress."""

    def __init__(self, options: Mapping[str, Any], clock: Clock, say: Callable[[str], None]) -> None:
        self._options = options
        self._clock = clock
        self._say = say

    def run(self) -> dict[str, Any]:
        """Carry out `state`; return what the task returns. Raises FlotillaError, and always with `failed`."""
        wave, state = self._options["wave"], self._options["state"]
        goals = {"restoring": f"give back wave {wave}", "failed": f"record that a hook of wave {wave} failed"}
        goal = goals.get(state, f"record that wave {wave} is {state}")
        otherwise = f"the hooks of wave {wave} are run again by whoever comes when their time is over"
        return until_recorded(f"wave {wave}", self._act, self._clock, self._say, goal, otherwise)

    def _act(self) -> dict[str, Any]:
        keeper = WaveKeeper(
            Ledger(self._options["ledger"], create=False), self._options["name"], this_controller(), is_gone
        )
        state, rollout_id, wave = self._options["state"], self._options["id"], self._options["wave"]
        if state == "restoring":
            hook = keeper.claim(rollout_id, wave, self._options["timeout"])
            said = f"wave {wave} is {'to be given back' if hook else 'not ours to give back'}"
            return {"changed": False, "msg": said, "hook": hook}
        token = self._options["token"]
        if state == "failed":
            raise FlotillaError(keeper.failed(rollout_id, wave, token, self._options["why"]))
        if state == "saved":
            keeper.saved(rollout_id, wave, token, self._options["saved"])
        elif state == "prepared":
            keeper.prepared(rollout_id, wave, token)
        else:
            keeper.restored(rollout_id, wave, token)
        return {"changed": False, "msg": f"recorded that wave {wave} is {state}"}
