# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option of every module that may need a reboot."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  reboot:
    description:
      - What to do when a change takes effect only after a reboot.
      - V(allow) reboots. V(defer) does all else and reports RV(reboot_required). V(refuse) fails before anything is
        changed.
    type: str
    choices: [allow, defer, refuse]
    default: defer
"""
