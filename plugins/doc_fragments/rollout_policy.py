# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that say what a rollout may do."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  waves:
    description:
      - Sizes of the waves. A number of hosts, a percentage of the hosts that take part, V(double), or a dictionary with
        C(growth), for so many times the wave before. The last one repeats.
      - Without O(canaries), the first wave is the canary.
    type: list
    elements: raw
    default: [1, "100%"]
  canaries:
    description:
      - JMESPath expressions over host variables, such as C(rack == 'test') or a variable that is true or false. The
        hosts for which one is true are the first wave, before those of O(waves).
      - Refused where they select no host, or none that can go first.
    type: list
    elements: str
    default: []
  max_unavailable:
    description: How many hosts, or percent of them, may be away at the same time.
    type: raw
    default: 1
  max_unavailable_per:
    description:
      - How many hosts, or percent of them, may be away at the same time of those that have the same value in a host
        variable, by the name of that variable.
      - V(1) for the variable that names a host's quorum keeps two members of it from being away together. A host that
        does not have the variable is not held by it.
    type: dict
    default: {}
  max_failures:
    description: How many hosts, or percent of them, may fail over the whole rollout.
    type: raw
    default: 0
  max_failures_per:
    description: As O(max_unavailable_per), how many may fail. One more, in any group, stops the whole rollout.
    type: dict
    default: {}
  wave_soak:
    description:
      - Seconds between the end of a wave and the beginning of the next. A list of them has one for each wave, and the
        last one repeats.
    type: raw
    default: 0
  windows:
    description:
      - When a host may begin its turn. Each has C(days), a list out of C(mon) to C(sun) (default all); C(from) and
        C(to), such as C("22:00") and C("04:00") of the next day; C(tz), an IANA time zone (default C(UTC)); and
        C(hosts), a JMESPath expression over host variables, for whom it is (default all).
      - A host that none of them is for is left out. A turn that began in a window may end after it.
    type: list
    elements: dict
    default: []
  window_wait:
    description:
      - A host that is outside of its windows waits when one opens within so many seconds. Else it is refused, and a
        later run takes the rollout up.
    type: int
    default: 0
  exclude:
    description: Names of hosts that are left out. They draw on no budget.
    type: list
    elements: str
    default: []
  on_quarantined:
    description: Whether a host whose target is in quarantine makes the plan impossible, or is left out.
    type: str
    choices: [refuse, leave_out]
    default: refuse
"""
