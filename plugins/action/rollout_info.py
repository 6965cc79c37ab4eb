# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollout_info: read the newest rollout of a name, and what is in quarantine, from the ledger."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import ControllerAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.ledger import Ledger, utc
from ansible_collections.flotilla.container_os.plugins.plugin_utils._rollout.report import report, table


class ActionModule(ControllerAction):
    BYPASS_HOST_LOOP = True

    SPEC = {"name": {"type": "str", "default": "upgrade"}, "ledger": {"type": "str", "required": True}}

    def perform(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        ledger = Ledger(options["ledger"], create=False)
        record = ledger.rollout(options["name"])
        document = report(record, ledger.transitions(record.id)) if record else None
        return {
            "changed": False,
            "report": document,
            "words": [{**word, "at": utc(word["at"])} for word in ledger.words(record.id)] if record else [],
            "table": table(document) if document else [],
            "quarantine": list(ledger.quarantine().values()),
        }
