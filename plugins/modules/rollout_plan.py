# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: rollout_plan
short_description: Make the plan of a rollout, to look at, to keep, and to apply
version_added: 0.1.0
description:
  - Makes a plan from the observations of the hosts and a policy, once for the play. The same input gives the same plan, byte
    for byte. An impossible policy is refused with the arithmetic.
  - It records nothing. O(flotilla.container_os.rollout#module:plan) carries out exactly the plan that is given to it.
options:
  name:
    description: The name of the rollout, whose last one tells how long a turn takes.
    type: str
    default: upgrade
  ledger:
    description:
      - The ledger, as a URL of SQLAlchemy. Without it, nothing is known of what is in quarantine, and of how long turns took.
    type: str
  hosts:
    description: All hosts that take part. One that has no result counts as missing. Without it, the hosts of the play.
    type: list
    elements: str
  results:
    description:
      - The name of the variable in which each host registered the result of M(flotilla.container_os.deployment_info) with its
        offer.
    type: str
    required: true
  history:
    description: How many seconds turns took before, for the estimate. Without it, those of the last rollout in the ledger.
    type: list
    elements: int
    default: []
extends_documentation_fragment:
  - flotilla.container_os.rollout_policy
seealso:
  - module: flotilla.container_os.rollout
notes:
  - Works on the controller alone; no host is connected to. Check mode makes no difference.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Observe the host
  flotilla.container_os.deployment_info:
    offer: true
  register: observed

- name: Plan the rollout
  flotilla.container_os.rollout_plan:
    results: observed
    canaries: ["role == 'test'"]
    waves: ["5%", double]
    max_unavailable: "10%"
    max_unavailable_per: {rack: 2, etcd_cluster: 1}
    wave_soak: [3600, 600]
    windows:
      - {days: [sat, sun], from: "22:00", to: "04:00", tz: Europe/Berlin}
  run_once: true
  register: planned

- name: Carry out exactly that plan
  flotilla.container_os.rollout:
    state: planned
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    results: observed
    plan: "{{ planned.plan }}"
  run_once: true
"""

RETURN = r"""
msg:
  description: The plan in a sentence.
  returned: always
  type: str
content:
  description: The plan as canonical JSON, to keep in a file.
  returned: always
  type: str
plan:
  description: The plan.
  returned: always
  type: dict
  contains:
    digest:
      description: SHA-256 of the canonical JSON of all of this but C(digest) and C(estimate).
      type: str
    waves:
      description:
        - The waves in their order, each a list of hosts in their order, with C(host), C(wave), C(why), C(target), C(rollback_to),
          C(groups) (label to value) and C(windows) (places in the windows of the policy, from 0).
      type: list
      elements: list
    left_out:
      description: The hosts that are left out, and why.
      type: dict
    policy:
      description: The policy that the plan was made under.
      type: dict
    max_unavailable:
      description: How many hosts may be away, in numbers, after those that cannot be observed.
      type: int
    max_failures:
      description: How many hosts may fail, in numbers, after those that cannot be observed.
      type: int
    soak:
      description: Seconds after each wave.
      type: list
      elements: int
    groups:
      description:
        - For each label and value C(hosts), C(missing), C(max_unavailable), C(max_failures) and C(worst_case_down), how many of
          them can be down at once, those that cannot be observed included.
      type: dict
    missing:
      description: How many hosts cannot be observed.
      type: int
    worst_case_down:
      description: How many hosts of the fleet can be down at once.
      type: int
    estimate:
      description: C(seconds) that it may take, C(turn_seconds) and of how many C(turns) that is the median. Null without history.
      type: dict
"""
