# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's word on a rollout, given from any terminal: halt, pause, resume. Recorded before anybody obeys it."""

from __future__ import annotations

import enum

from .._errors import Refused
from .ledger import DONE, HALTED, OPEN, PAUSED, STOPPED, SUPERSEDED, Ledger, utc


class Word(str, enum.Enum):
    """What a person wants of a rollout."""

    HALTED = "halted"  # no host is touched any more; hosts in flight finish their turn
    PAUSED = "paused"  # the same, and the hosts that wait go on waiting
    RESUMED = "resumed"


# What a rollout becomes. What was halted is not open again by a word alone: its run is over, a new one opens it.
_BECOMES = {Word.HALTED: HALTED, Word.PAUSED: PAUSED}


def give(ledger: Ledger, name: str, word: Word, who: str, why: str) -> tuple[bool, str]:
    """Record `word` on the newest rollout of that name; return whether that changed anything, and a sentence.

    Raises Refused when there is nothing that could obey.
    """
    with ledger.write() as writer:
        rollout = writer.rollout(name)
        if rollout is None:
            raise Refused(f"cannot have rollout {name} {word.value}: the ledger has none of that name")
        if rollout.state in (DONE, SUPERSEDED):
            raise Refused(f"cannot have rollout {name} {word.value}: it is {rollout.state}")
        said = f"{word.value} by {who} at {utc(writer.now)}: {why}"
        if word is Word.RESUMED:
            if rollout.state not in (PAUSED, HALTED):
                return False, f"rollout {name} is {rollout.state}, neither paused nor halted: nothing to resume"
            writer.set_state(rollout.id, OPEN if rollout.state == PAUSED else STOPPED, said)
            further = "hosts that wait go on" if rollout.state == PAUSED else "run the upgrade playbook again"
        else:
            if rollout.state == _BECOMES[word]:
                return False, f"rollout {name} is {rollout.state} already: {rollout.why}"
            if rollout.state == HALTED:
                raise Refused(f"cannot have rollout {name} paused: it is halted ({rollout.why}), which is more")
            writer.set_state(rollout.id, _BECOMES[word], said)
            further = "no further host is touched; hosts in flight finish their turn"
        writer.note_word(rollout.id, word.value, who, why)
        return True, f"rollout {name} {said}; {further}"
