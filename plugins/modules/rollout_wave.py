# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: rollout_wave
short_description: Record how the hooks of a wave went
version_added: 0.1.0
description:
  - The hooks of a wave are run by the one host that M(flotilla.container_os.rollout_gate) gave them to. What they are about to do,
    and how that went, is in the ledger, for everybody else who waits, and for a later run.
  - O(state=saved) records what the wave was like before it is changed, O(state=prepared) that its hosts may be touched.
  - O(state=restoring) asks, at the end of a run, whether a wave may be given back. Not so while another run has its hooks or one of
    its hosts in hand. O(state=restored) records that it was given back.
  - O(state=failed) records that a hook failed, and stops the rollout. It always fails, with the reason.
  - While the database does not answer it is tried again, for ten minutes.
options:
  state:
    description: What to record, or to ask.
    type: str
    choices: [saved, prepared, restoring, restored, failed]
    required: true
  name:
    description: The name of the rollout.
    type: str
    default: upgrade
  ledger:
    description: The ledger, as a URL of SQLAlchemy. SQLite serves one controller, PostgreSQL several.
    type: str
    required: true
  id:
    description: The number of the rollout, as the hook that was given has it.
    type: int
    required: true
  wave:
    description: The number of the wave.
    type: int
    required: true
  token:
    description: The fencing token of the hook, for all but O(state=restoring). With an older one nothing is recorded.
    type: int
  timeout:
    description: How long the hooks may take, in seconds, for O(state=restoring).
    type: int
    default: 900
  saved:
    description: What to record with O(state=saved).
    type: dict
    default: {}
  why:
    description: What a hook failed with, for O(state=failed).
    type: str
    default: ""
notes:
  - Works on the controller alone; no host is connected to.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Record that the hosts of the wave may be touched
  flotilla.container_os.rollout_wave:
    state: prepared
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    id: "{{ gate.hook.id }}"
    wave: "{{ gate.hook.wave }}"
    token: "{{ gate.hook.token }}"
"""

RETURN = r"""
msg:
  description: What was recorded, in a sentence.
  returned: always
  type: str
hook:
  description: The hook that gives the wave back, as M(flotilla.container_os.rollout_gate) returns it; null when it is not ours to do.
  returned: with O(state=restoring)
  type: dict
"""
