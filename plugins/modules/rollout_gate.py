# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: rollout_gate
short_description: Let a host have its turn in a rollout, and record how it left it
version_added: 0.1.0
description:
  - O(state=entered) waits until the host may be touched, and records that it is about to be. It refuses when the budget is
    used up, the rollout was stopped, nothing is under way that could open the gate, or this very run of
    C(ansible-playbook) has not planned or resumed the rollout.
  - With O(wave_hook_timeout), the host is not admitted before its wave is prepared, and waves before it are given back. Exactly one
    of those that wait is told to run the hooks; then it asks again. See M(flotilla.container_os.rollout_wave).
  - O(state=left) records how the turn ended, from the results of its tasks, and fails unless the host is confirmed. That takes
    proof of every step - the target runs, the verdict was good, the confirm succeeded. While the database does not answer
    it is tried again, for ten minutes.
  - O(state=saved) records that the host is about to be drained, and what it was like before, so that it is known to whoever
    gives its work back, also to a later run.
  - O(state=restoring) tells whether its work may be given back to a host that is on record as drained. With O(token), at the end
    of its turn - not so when the host was taken over meanwhile. Without, to a host that a run left drained which is dead or was
    refused - not so when another run has it in hand, or when O(observed) does not prove that its guard is not armed.
    O(state=restored) records that it was done.
  - O(state=returning) waits until a confirmed host that was recalled may go back, and O(state=returned) records how that
    ended. It fails unless the host is proven to run what it ran before, in good health.
  - The play must have C(strategy=ansible.builtin.host_pinned), so that hosts that wait cannot starve hosts in flight.
options:
  state:
    description: The side of the gate.
    type: str
    choices: [entered, saved, restoring, restored, left, returning, returned]
    required: true
  name:
    description: The name of the rollout. Runs of one name on one ledger are one rollout, with one budget.
    type: str
    default: upgrade
  ledger:
    description: The ledger, as a URL of SQLAlchemy. SQLite serves one controller, PostgreSQL several.
    type: str
    required: true
  lease:
    description: After how many seconds a host that has not left counts as lost.
    type: int
    default: 3600
  token:
    description:
      - The fencing token that the gate gave, for O(state=restoring), O(state=left) and O(state=returned). With an older one
        nothing is recorded.
    type: int
  results:
    description:
      - The registered results of the turn, C(baseline), C(boot), C(verdict), C(confirm) and C(rollback), for O(state=left);
        C(rollback) and C(verdict) for O(state=returned).
    type: dict
    default: {}
  pause_timeout:
    description: How long to wait for a rollout that is paused, in seconds.
    type: int
    default: 86400
  wave_hook_timeout:
    description:
      - How long the hooks of a wave may take, in seconds. After that another host, or another run, is told to run them again.
      - V(0) where waves have no hooks.
    type: int
    default: 0
  saved:
    description: What to record with O(state=saved).
    type: dict
    default: {}
  observed:
    description: The registered result of M(flotilla.container_os.deployment_info), for O(state=restoring).
    type: dict
    default: {}
notes:
  - Works on the controller alone; no host is connected to.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Wait for the gate
  flotilla.container_os.rollout_gate:
    state: entered
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
"""

RETURN = r"""
admitted:
  description: The host may be touched now. Not so when it is confirmed already, or its work is not ours to give back.
  returned: with O(state=entered) and O(state=restoring)
  type: bool
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
wave:
  description: The wave of the host.
  returned: with O(state=entered)
  type: int
token:
  description: The fencing token of the lease; it grows with each one.
  returned: with O(state=entered)
  type: int
saved:
  description: What an earlier run recorded of the host and nobody has brought back yet; null when there is nothing.
  returned: with O(state=entered) and O(state=restoring)
  type: dict
hook:
  description: The hook that is to be run before the host asks again.
  returned: with O(state=entered) and O(state=returning), when there is one
  type: dict
  contains:
    side:
      description: V(prepare) the wave, or V(restore) what it was like.
      type: str
    id:
      description: The number of the rollout.
      type: int
    wave:
      description: The number of the wave.
      type: int
    hosts:
      description: The hosts of the wave.
      type: list
      elements: str
    token:
      description: The fencing token of the lease.
      type: int
    saved:
      description: What the wave was like before; null when nothing was recorded yet.
      type: dict
phase:
  description: The phase that was recorded.
  returned: with O(state=left) and O(state=returned)
  type: str
"""
