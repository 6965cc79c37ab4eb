# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option of the modules that reboot a host in a rollout."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  permission:
    description:
      - In a rollout, the lease under which the host has its turn. The ledger is asked right before the order to reboot,
        and the lease begins anew. It is refused, and nothing is changed on the host, when the lease has run out or was
        taken over, as while the controller slept. The host itself carries out no order that reaches it more than a
        minute after the question.
      - Without it, nobody is asked.
    type: dict
    suboptions:
      name:
        description: The name of the rollout.
        type: str
        default: upgrade
      ledger:
        description: The ledger, as a URL of SQLAlchemy.
        type: str
        required: true
      token:
        description: The fencing token that M(flotilla.container_os.rollout_gate) gave.
        type: int
        required: true
      lease:
        description: After how many seconds from the order a host that has not left its turn counts as lost.
        type: int
        default: 3600
"""
