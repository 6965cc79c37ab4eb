# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: mac_mode
short_description: Make SELinux or AppArmor as a whole enforcing, permissive or disabled
version_added: 0.1.0
description:
  - Brings mandatory access control into a mode, in the running kernel and for the next boot, and proves it by looking
    again.
  - For AppArmor it switches the loaded profiles that come from files in C(/etc/apparmor.d). V(permissive) puts a file
    for each into C(/etc/apparmor.d/force-complain) and loads the profiles again; V(enforcing) takes those files, and no
    others, away. Profiles that daemons load by themselves (Docker, Podman, containerd, LXD, Incus, snapd, libvirt) are
    left alone. V(enforcing) is reached when no loaded profile complains, V(permissive) when no profile from a file
    enforces.
  - For SELinux it writes C(/sys/fs/selinux/enforce), and the line C(SELINUX=) of C(/etc/selinux/config), of which all
    else is kept.
  - What stands against the mode is named before anything is changed, such as a profile whose own flags say
    C(complain), a file in C(force-complain) that somebody else put there, or a kernel argument.
options:
  mode:
    description:
      - The mode. V(disabled) takes a reboot, and so does the way back from it.
    type: str
    choices: [enforcing, permissive, disabled]
    required: true
  system:
    description:
      - The system that the host is expected to run. The module fails when it runs the other one.
      - Without it, whatever the host runs.
    type: str
    choices: [apparmor, selinux]
  reboot:
    description:
      - Where a system has to be turned on or off by a kernel argument, this module does not do that. V(defer) reports
        what is needed, V(allow) and V(refuse) fail. Set the argument with
        M(flotilla.container_os.kernel_arguments).
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method), and for AppArmor
    C(apparmor_parser).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
extends_documentation_fragment:
  - flotilla.container_os.reboot
seealso:
  - module: flotilla.container_os.mac_info
  - module: flotilla.container_os.apparmor_profile
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Enforce whatever the host has
  flotilla.container_os.mac_mode:
    mode: enforcing

- name: Only log what SELinux would deny, on hosts that run SELinux
  flotilla.container_os.mac_mode:
    mode: permissive
    system: selinux
    reboot: refuse
"""

RETURN = r"""
mac:
  description:
    - Mandatory access control as it is now (in check mode, as it was found), as
      RV(flotilla.container_os.mac_info#module:mac) without the denials.
  returned: when it was seen
  type: dict
  sample:
    system: apparmor
    mode: enforcing
    profiles: {docker-default: enforce}
    policy:
    configured:
    booleans:
    kernel_arguments: []
reboot_required:
  description: A reboot is needed and was deferred.
  returned: success
  type: bool
"""
