# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of the module `rollout`: what Ansible knows of the play in, what the task returns out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import FlotillaError
from .._model.native import native
from .._model.outcome import Outcome
from .._model.phase import Phase
from .apply import check_document
from .back import OnFailure, WayBack
from .conduct import Conductor
from .controller import is_gone, this_controller, this_person
from .fleet import look_at
from .ledger import DONE, Ledger
from .policy import Policy
from .report import report, sentences, table
from .restore import Restorer
from .taking_up import Planned
from .wave_keeper import WaveKeeper
from .word import Word, give

# A pattern that matches no host. An empty list would match all of them.
NOBODY = "all:!all"


class RolloutTask:
    """One task of the module, for all hosts of the play."""

    def __init__(self, options: Mapping[str, Any], task_vars: Mapping[str, Any], check: bool) -> None:
        self._options = options
        self._vars = task_vars
        self._check = check

    def run(self, diff: bool) -> dict[str, Any]:
        """Carry out `state`; return what the task returns. Raises FlotillaError."""
        state = self._options["state"]
        if self._check and state != "planned":
            return {"changed": False, "msg": f"check mode: nothing was {state}"}
        # Check mode leaves nothing behind, and what only reads makes no ledger either.
        creates = state in ("planned", "staged") and not self._check
        ledger = Ledger(self._options["ledger"], create=creates)
        conductor = Conductor(ledger, self._options["name"], this_controller(), is_gone)
        if state == "planned":
            return self._planned(conductor, diff)
        if state == "staged":
            missing = conductor.staged({host: self._result(host) for host in self._hosts()})
            return {"changed": False, "msg": "staged" + "".join(f"; {h} is not: {why}" for h, why in missing.items())}
        if state == "recalled":
            return self._recalled(ledger)
        if state == "drained":
            return _drained(Restorer(ledger, self._options["name"], this_controller(), is_gone))
        if state == "prepared":
            return self._prepared(WaveKeeper(ledger, self._options["name"], this_controller(), is_gone))
        if state in (Word.HALTED.value, Word.PAUSED.value, Word.RESUMED.value):
            who, why = self._options["who"] or this_person(), self._options["why"] or "no reason given"
            changed, sentence = give(ledger, self._options["name"], Word(state), who, why)
            return {"changed": changed, "msg": sentence}
        if state == "ended":
            return _ended(conductor, self._options["hosts"])
        return _released(ledger, self._options["digest"])

    def _hosts(self) -> list[str]:
        return [str(host) for host in self._options["hosts"] or self._vars["ansible_play_hosts_all"]]

    def _result(self, host: str) -> Mapping[str, Any] | None:
        found = self._vars["hostvars"][host].get(self._options["results"])
        return native(found) if isinstance(found, Mapping) else None

    def _planned(self, conductor: Conductor, diff: bool) -> dict[str, Any]:
        wanted = self._options["plan"] or None
        if wanted is not None:
            check_document(wanted)
        # A given plan brings the policy that it was made under.
        policy = Policy.parse(wanted["policy"] if wanted else self._options)
        fleet = look_at(self._hosts(), self._vars["hostvars"], self._options["results"], policy)
        planned = conductor.plan(fleet, policy, self._check, wanted)
        order = [] if self._check else list(planned.order)
        fact = {
            "name": self._options["name"],
            "ledger": self._options["ledger"],
            "hosts": order or NOBODY,
            "order": list(planned.order),
            "on_failure": self._options["on_failure"],
            "wave_hooks": self._options["wave_hooks"],
            "targets": {one["host"]: one["target"]["digest"] for wave in planned.document["waves"] for one in wave},
        }
        outcome = Outcome(
            # The plan is the change that is going to be made: hosts that are not at their target.
            changed=bool(planned.order),
            why=_planned_sentence(planned),
            returns={
                "plan": planned.document,
                "resumed": planned.resumed,
                "order": list(planned.order),
                "ansible_facts": {"flotilla_rollout": fact},
            },
            before={one.host: str(one.booted) for one in fleet if one.booted},
            after={
                **{one.host: str(one.booted) for one in fleet if one.booted},
                **{
                    one["host"]: f"{one['target']['name']} ({one['target']['digest'][:12]}), wave {number}"
                    for number, wave in enumerate(planned.document["waves"], 1)
                    for one in wave
                    if one["host"] in planned.order
                },
            },
        )
        return outcome.result(diff)

    def _recalled(self, ledger: Ledger) -> dict[str, Any]:
        """Record who must go back, and tell the play that brings them back."""
        way = WayBack(ledger, self._options["name"], this_controller(), is_gone)
        targets = way.recall(OnFailure(self._options["on_failure"]))
        fact = {"hosts": list(targets) or NOBODY, "order": list(targets), "targets": targets}
        sentence = f"to be brought back: {', '.join(targets)}" if targets else "nobody has to be brought back"
        return {"changed": bool(targets), "msg": sentence, "ansible_facts": {"flotilla_recall": fact}}

    def _prepared(self, keeper: WaveKeeper) -> dict[str, Any]:
        """Tell a host that is still in the play which waves it has to give back, one after the other; one of the waves'
        own, where there is one."""
        left = keeper.left()
        active = [str(host) for host in self._vars["ansible_play_hosts"] if str(host) != "localhost"]
        own = {host for _one, hosts in left for host in hosts}
        waves = [{"id": one.rollout_id, "wave": one.wave} for one, _hosts in left]
        runner = sorted(active, key=lambda host: host not in own)[:1]
        shown = ", ".join(f"wave {one.wave}" for one, _hosts in left)
        sentence = f"to be given back: {shown}" if left else "no wave is to be given back"
        return {"changed": False, "msg": sentence, "ansible_facts": {"flotilla_prepared": dict.fromkeys(runner, waves)}}


def _planned_sentence(planned: Planned) -> str:
    if not planned.order and planned.note:
        return f"nothing new is begun: {planned.note}"
    if not planned.order:
        return "nothing to do: " + (
            "; ".join(f"{h}: {why}" for h, why in planned.document["left_out"].items()) or "no hosts"
        )
    waves = [[one["host"] for one in wave if one["host"] in planned.order] for wave in planned.document["waves"]]
    shown = "; ".join(f"wave {number}: {', '.join(wave)}" for number, wave in enumerate(waves, 1) if wave)
    note = f" ({planned.note})" if planned.note else ""
    return f"{'resumed' if planned.resumed else 'planned'} {len(planned.order)} hosts{note}: {shown}"


def _ended(conductor: Conductor, hosts: Sequence[str] | None) -> dict[str, Any]:
    """Close the books; `hosts`: those that this run was to upgrade, all of the rollout without it."""
    record = conductor.end()
    if record is None:
        return {"changed": False, "msg": ["no rollout was under way in this run"], "report": None}
    document = report(record, conductor.ledger.transitions(record.id))
    lines = table(document)
    mine = {one.host for one in record.hosts} if hosts is None else set(hosts)
    unconfirmed = [one.host for one in record.hosts if one.host in mine and one.phase is not Phase.CONFIRMED]
    if record.state != DONE and unconfirmed:
        raise FlotillaError(sentences(record), report=document, table=lines)
    return {"changed": False, "msg": lines, "report": document}


def _drained(restorer: Restorer) -> dict[str, Any]:
    """Tell the play that gives the work back who was left without it."""
    hosts = restorer.left_drained()
    # A play in which all hosts fail is the last one; the controller is among them, so that the books are closed.
    fact = {"hosts": ["localhost", *hosts] if hosts else NOBODY, "order": hosts}
    sentence = f"drained, as the ledger has it: {', '.join(hosts)}" if hosts else "nobody is drained"
    return {"changed": False, "msg": sentence, "ansible_facts": {"flotilla_drained": fact}}


def _released(ledger: Ledger, digest: str) -> dict[str, Any]:
    with ledger.write() as writer:
        known = [one for one in writer.quarantine() if one == digest or (len(digest) >= 12 and one.startswith(digest))]
        for one in known:
            writer.release(one, this_controller())
    if not known:
        return {"changed": False, "msg": f"{digest} is not in quarantine"}
    return {"changed": True, "msg": f"released {', '.join(known)}"}
