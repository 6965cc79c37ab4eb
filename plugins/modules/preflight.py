# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: preflight
short_description: Check the variables of all hosts before any of them is touched
version_added: 0.1.0
description:
  - Checks the variables of our roles for all hosts, on the controller - types, choices, unknown names, waves that can never be
    reached, budgets that allow nothing, unknown probes, durations that make no sense together, missing files.
  - The first fault makes the task fail, in one sentence. It runs once for the play.
options:
  hosts:
    description: The hosts whose variables are checked.
    type: list
    elements: str
    required: true
  roles:
    description: The roles whose variables are checked.
    type: list
    elements: str
    choices: [configure, upgrade]
    required: true
notes:
  - Works on the controller alone; no host is connected to.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Check the variables of all hosts
  flotilla.container_os.preflight:
    hosts: "{{ ansible_play_hosts_all }}"
    roles: [configure, upgrade]
"""

RETURN = r"""
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
"""
