# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: kernel_arguments
short_description: Declare kernel arguments
version_added: 0.1.0
description:
  - Makes sure that arguments are on the kernel command line, or are not, of the running system and of the next boot.
  - The change is prepared as a deployment of its own, which is booted under the guard and confirmed only when the running
    kernel has the arguments. The deployment of before stays as the way back.
  - Arguments of the boot loader and of the update mechanism (C(root), C(ostree), C(BOOT_IMAGE), C(initrd)) are refused, and
    so is a host with another digest staged, which would be replaced.
options:
  present:
    description: Arguments that must be there, each as it stands on the command line.
    type: list
    elements: str
    default: []
  absent:
    description: Arguments that must not be there, each as it stands on the command line.
    type: list
    elements: str
    default: []
  confirm_within:
    description: After how many seconds of its new boot a host that nobody confirmed goes back by itself.
    type: int
    default: 600
  timeout:
    description: How long to wait for a host that was told to reboot, in seconds. It must be longer than O(confirm_within).
    type: int
    default: 1200
extends_documentation_fragment: flotilla.container_os.reboot
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Panic reboots, and no mitigations are off
  flotilla.container_os.kernel_arguments:
    present: [panic=5]
    absent: [mitigations=off]
    reboot: allow
"""

RETURN = r"""
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
reboot_required:
  description: The arguments are prepared, and a reboot is needed.
  returned: always
  type: bool
next_kernel_arguments:
  description: The arguments of the next boot. Those of the running kernel are in RV(host_state).
  returned: always
  type: list
  elements: str
host_state:
  description: Where the host stands; see M(flotilla.container_os.deployment_info).
  returned: always
  type: dict
"""
