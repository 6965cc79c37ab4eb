# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: rollout
short_description: Plan or resume a rollout, take note of its staging, end it
version_added: 0.1.0
description:
  - The steps of a rollout that look at all its hosts at once. It runs once for the play, not once for each host.
  - O(state=planned) makes a plan from the observations of the hosts, or takes up the open rollout of that name with its
    stored plan. In check mode it shows the plan and records nothing.
  - O(state=staged) takes note of who is staged, and stops the rollout when too many are not.
  - O(state=recalled) records which confirmed hosts must go back because too many others failed, by O(on_failure), and leaves
    the names with the play that brings them back. What was recorded by an earlier run comes with them.
  - O(state=drained) looks up which hosts are on record as drained, whichever run did it, and leaves the names with the play that
    gives their work back.
  - O(state=prepared) looks up which waves were prepared by their hooks and are to be given back by this run, and leaves them with
    a host of the play, which does it.
  - O(state=halted) has no further host touched, by any run, until O(state=resumed); hosts in flight finish their turn.
    O(state=paused) does the same, and hosts that wait go on waiting. Both stand over failures and re-runs.
  - O(state=ended) closes the books, and fails with one sentence when a host is not confirmed. It does nothing in a run that
    has not planned or resumed the rollout.
  - O(state=released) takes a digest out of quarantine.
options:
  state:
    description: The step.
    type: str
    choices: [planned, staged, recalled, drained, prepared, ended, released, halted, paused, resumed]
    required: true
  name:
    description: The name of the rollout. Runs of one name on one ledger are one rollout, with one budget.
    type: str
    default: upgrade
  ledger:
    description: The ledger, as a URL of SQLAlchemy. SQLite serves one controller, PostgreSQL several.
    type: str
    required: true
  hosts:
    description:
      - All hosts that take part. One that has no result counts as missing. Without it, the hosts of the play.
      - With O(state=ended), the hosts that this run was to upgrade; without it, all of the rollout.
    type: list
    elements: str
  results:
    description:
      - The name of the variable that each host registered - for O(state=planned) the result of
        M(flotilla.container_os.deployment_info) with its offer, for O(state=staged) that of
        M(flotilla.container_os.deployment).
    type: str
  plan:
    description:
      - With O(state=planned), the plan that M(flotilla.container_os.rollout_plan) returned, to carry out that one and no other.
        Its policy is used, not the options here.
      - Refused where it was edited, and where the fleet does not match it any more, with the host and the difference.
    type: dict
    default: {}
  on_failure:
    description:
      - What becomes of whom when a host fails. V(stop) leaves the host to its guard, V(rollback_host) brings it back,
        V(rollback_wave) brings back the confirmed hosts of its wave, too, when more hosts have failed than
        O(max_failures) allows, V(rollback_all) those of all waves.
    type: str
    choices: [stop, rollback_host, rollback_wave, rollback_all]
    default: rollback_host
  wave_hooks:
    description: With O(state=planned), whether there are hooks of waves, for the plays that follow.
    type: bool
    default: false
  who:
    description: Who halts, pauses or resumes, for the record. Without it, the user and the machine.
    type: str
  why:
    description: Why the rollout is halted, paused or resumed, for the record.
    type: str
  digest:
    description: The digest to release, or at least its first twelve characters.
    type: str
extends_documentation_fragment:
  - flotilla.container_os.rollout_policy
notes:
  - Works on the controller alone; no host is connected to.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Plan the rollout, or take it up again
  flotilla.container_os.rollout:
    state: planned
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    results: observed
    waves: [1, "25%", "100%"]
    max_unavailable: 2
  run_once: true

- name: Touch no further host
  flotilla.container_os.rollout:
    state: halted
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    why: the storage cluster is degraded
"""

RETURN = r"""
msg:
  description: What was found out, in a sentence; with O(state=ended) the lines of a table.
  returned: always
  type: raw
plan:
  description: The plan; see M(flotilla.container_os.rollout_plan).
  returned: with O(state=planned)
  type: dict
order:
  description: The hosts that are not confirmed yet, in the order of the plan.
  returned: with O(state=planned)
  type: list
  elements: str
resumed:
  description: An open rollout was taken up.
  returned: with O(state=planned)
  type: bool
report:
  description: The rollout as a document; see M(flotilla.container_os.rollout_info).
  returned: with O(state=ended)
  type: dict
"""
