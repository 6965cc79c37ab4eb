# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: apparmor_profile
short_description: Put a file of AppArmor profiles on a host and load it, or take it away
version_added: 0.1.0
description:
  - Puts a file into C(/etc/apparmor.d), which updates of the OS leave alone, loads its profiles in a mode, and proves
    that the kernel has them in that mode.
  - The text is checked by C(apparmor_parser) of the host before anything is changed; an error shows the parser's line.
  - The kernel gets the new text before the file is replaced, so that a run which is cut off is made up for by the next.
options:
  name:
    description:
      - Name of the file in C(/etc/apparmor.d). It may define several profiles of any name.
    type: str
    required: true
  state:
    description:
      - V(present) puts the file in place, with its profiles in O(mode).
      - V(absent) unloads its profiles and removes the file, and what this collection put into C(force-complain) and
        C(disable) for it. Processes under one of the profiles are confined no more.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - V(enforce) and V(complain) load the profiles in that mode, now and at every boot.
      - V(disabled) keeps the file without loading it.
      - What is in C(force-complain) or C(disable) against the mode is removed, whoever put it there. A profile whose
        own flags say C(complain) or C(unconfined) is refused in the mode V(enforce).
    type: str
    choices: [enforce, complain, disabled]
    default: enforce
  content:
    description:
      - Text of the file. Without O(content) and O(src), the file must be there, and only O(mode) is applied.
    type: str
  src:
    description:
      - A file on the controller with the text, looked for as M(ansible.builtin.copy) does.
    type: path
notes:
  - Needs no Python on the host, only a POSIX C(sh), root (directly or by any become method) and C(apparmor_parser).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
  - A process that runs already is not confined by a profile that is new; restart it.
seealso:
  - module: flotilla.container_os.mac_mode
  - module: flotilla.container_os.mac_info
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Confine the exporter
  flotilla.container_os.apparmor_profile:
    name: usr.bin.exporter
    src: apparmor/usr.bin.exporter

- name: Only log what its profile would deny
  flotilla.container_os.apparmor_profile:
    name: usr.bin.exporter
    mode: complain

- name: Take the profile away
  flotilla.container_os.apparmor_profile:
    name: usr.bin.exporter
    state: absent
"""

RETURN = r"""
profiles:
  description: The loaded profiles of the file and their modes, by their names (in check mode, as predicted).
  returned: success
  type: dict
  sample: {/usr/bin/exporter: enforce}
mac:
  description:
    - Mandatory access control as it is now (in check mode, as it was found), as
      RV(flotilla.container_os.mac_info#module:mac) without the denials.
  returned: when it was seen
  type: dict
  sample:
    system: apparmor
    mode: enforcing
    profiles: {/usr/bin/exporter: enforce}
    policy:
    configured:
    booleans:
    kernel_arguments: []
"""
