# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: reboot_lock_breaker
short_description: Stop all reboots that the lock server would grant, and let them go on
version_added: 0.1.0
description:
  - O(state=tripped) makes the lock server refuse every host that asks to reboot, on every controller of that ledger, until it is
    reset. Hosts still report back and give back their locks.
  - A rollout that stopped trips the breaker by itself, and so do hosts that took a lock and never reported back.
  - O(state=reset) ends all of that - the word of a human is taken back, rollouts that are stopped by now are forgiven, hosts that
    never reported back are forgotten.
options:
  state:
    description: How the breaker should be.
    type: str
    choices: [tripped, reset]
    required: true
  ledger:
    description: The ledger, as a URL of SQLAlchemy; the one of the lock server.
    type: str
    required: true
  reason:
    description: Why. It is shown to every host that is refused. Required with O(state=tripped).
    type: str
notes:
  - Works on the controller alone, on the ledger; the lock server need not be reachable.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: No more reboots
  flotilla.container_os.reboot_lock_breaker:
    state: tripped
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    reason: the storage network is being rebuilt

- name: Reboots may go on
  flotilla.container_os.reboot_lock_breaker:
    state: reset
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
"""

RETURN = r"""
reason:
  description: Why nobody may reboot, none when the breaker is not tripped.
  returned: always
  type: str
msg:
  description: How the breaker is, in a sentence.
  returned: always
  type: str
"""
