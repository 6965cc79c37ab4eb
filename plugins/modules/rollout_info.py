# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: rollout_info
short_description: Read rollouts and the quarantine from the ledger
version_added: 0.1.0
description:
  - Reads the newest rollout of a name, one by its number, or all of a name, with every transition of their hosts; the list
    of all rollouts; and what is in quarantine.
options:
  name:
    description: The name of the rollout. Runs of one name on one ledger are one rollout, with one budget.
    type: str
    default: upgrade
  id:
    description: The number of a rollout, to read that one. Not together with O(which=all).
    type: int
  which:
    description: The newest rollout of that name, or all of them.
    type: str
    choices: [newest, all]
    default: newest
  ledger:
    description: The ledger, as a URL of SQLAlchemy. SQLite serves one controller, PostgreSQL several.
    type: str
    required: true
notes:
  - Works on the controller alone; no host is connected to.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Read the rollout
  flotilla.container_os.rollout_info:
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
  register: rollout
  run_once: true

- name: Read all of its kind
  flotilla.container_os.rollout_info:
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    which: all
  register: history
  run_once: true
"""

RETURN = r"""
report:
  description:
    - The rollout that was asked for, the newest one with O(which=all), or null when there is none - C(format), C(rollout),
      C(summary), C(hosts) and C(left_out), as described by C(docs/schemas/rollout-report.schema.json) in the collection.
  returned: always
  type: dict
words:
  description: What people have told the rollout, oldest first - C(at), C(word) (halted, paused, resumed), C(who), C(why).
  returned: always
  type: list
  elements: dict
reports:
  description: The rollouts that were asked for, newest first, each like RV(report).
  returned: always
  type: list
  elements: dict
rollouts:
  description:
    - Every rollout of the ledger, newest first, with C(id), C(name), C(state), C(why), C(began), C(ended) and C(phases), which
      is the number of hosts in each phase.
  returned: always
  type: list
  elements: dict
table:
  description: The lines of a table for people.
  returned: always
  type: list
  elements: str
quarantine:
  description: What is in quarantine, with C(digest), C(version), C(host), C(reason) and C(at).
  returned: always
  type: list
  elements: dict
"""
