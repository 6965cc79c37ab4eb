# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: mac_info
short_description: Read mandatory access control of a host, and what it denied
version_added: 0.1.0
description:
  - Tells which mandatory access control system the kernel runs (AppArmor, SELinux or none), in which mode, and what it
    denied since a point in time. One round trip.
  - Everything is read from the kernel and from its logs; none of C(aa-status), C(sestatus), C(ausearch) is needed.
options:
  since:
    description:
      - From when on denials are asked for. V(boot), or a number of seconds since the epoch by the clock of the host.
    type: str
    default: boot
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host. It changes nothing, in check mode and otherwise.
seealso:
  - module: flotilla.container_os.mac_mode
  - module: flotilla.container_os.apparmor_profile
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Read mandatory access control
  flotilla.container_os.mac_info:
  register: found

- name: Show what was denied since the boot
  ansible.builtin.debug:
    msg: "{{ found.mac.denials | selectattr('outcome', 'equalto', 'denied') }}"
"""

RETURN = r"""
mac:
  description: Mandatory access control. Unknown, or not of the system that runs, is null.
  returned: always
  type: dict
  contains:
    system:
      description: V(apparmor), V(selinux) or V(none).
      type: str
      sample: apparmor
    mode:
      description:
        - V(enforcing), V(permissive), V(mixed) (some AppArmor profiles enforce, some only complain) or V(disabled)
          (nothing is confined; also when no policy is loaded). Null when it cannot be seen.
      type: str
      sample: enforcing
    profiles:
      description: "AppArmor: the mode of each loaded profile in the kernel's words, by its name."
      type: dict
      sample: {docker-default: enforce}
    policy:
      description: "SELinux: the policy that C(/etc/selinux/config) names."
      type: str
      sample: targeted
    configured:
      description: "SELinux: the mode that C(/etc/selinux/config) gives to the next boot."
      type: str
      sample: enforcing
    booleans:
      description: "SELinux: how many booleans the loaded policy has."
      type: int
    kernel_arguments:
      description: The arguments of the running kernel that decide over mandatory access control.
      type: list
      elements: str
      sample: ["lsm=landlock,lockdown,yama,apparmor"]
    denials:
      description: What was refused, or would have been, oldest first, each once. Null when no log can be read.
      type: list
      elements: dict
      contains:
        system:
          description: V(apparmor) or V(selinux).
          type: str
        outcome:
          description: V(denied), or V(allowed) where the profile complains or the domain is permissive.
          type: str
        at:
          description: When, in seconds since the epoch by the clock of the host.
          type: float
        serial:
          description: The number of the audit record.
          type: int
        subject:
          description: The AppArmor profile, or the SELinux source context.
          type: str
        operation:
          description: AppArmor's word for the operation, or the SELinux permissions.
          type: str
        target:
          description: The path, capability or peer.
          type: str
        target_class:
          description: What kind of thing the target is.
          type: str
        target_context:
          description: The label of the target.
          type: str
        mask:
          description: What of the request was not allowed.
          type: str
        process:
          description: The name of the process.
          type: str
        pid:
          description: Its number.
          type: int
        info:
          description: What the kernel adds.
          type: str
    denial_sources:
      description: The logs that were read, of V(journal), V(kernel_log) and V(audit_log).
      type: list
      elements: str
    denials_complete:
      description: Whether the logs hold all of it. The kernel drops records when there are many at once, and says so.
      type: bool
"""
