# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: native_updater
short_description: Hold the OS's own update agent, hand it back, or disable it
version_added: 0.1.0
description:
  - V(held) keeps the agent from acting, over reboots and updates, and remembers how it was, in
    C(/var/lib/flotilla/native_updater/state) on the host. V(released) gives it back exactly like that.
  - An agent that is part of the update mechanism (snapd) is held by a setting of that, which is remembered and given back alike.
  - That the agent cannot act is read back; the task fails when it still could.
options:
  state:
    description: What the agent may do. V(disabled) turns it off without a way back.
    type: str
    choices: [held, released, disabled]
    required: true
  units:
    description: The systemd units of the agent. Without it, those that are known for the update mechanism.
    type: list
    elements: str
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Keep the OS from updating itself during a rollout
  flotilla.container_os.native_updater:
    state: held
"""

RETURN = r"""
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
native_updater:
  description: The agent, with C(name) and C(state) (V(active), V(held), V(disabled), V(absent)).
  returned: always
  type: dict
host_state:
  description: Where the host stands; see M(flotilla.container_os.deployment_info).
  returned: always
  type: dict
"""
