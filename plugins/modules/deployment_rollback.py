# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: deployment_rollback
short_description: Make an earlier deployment the booted one, and prove it
version_added: 0.1.0
description:
  - Names the deployment that a rollback goes to, makes it the next boot, reboots, and proves that it runs.
  - A deployment that the host fell back from is never chosen by itself.
  - What is staged is dropped. The message names it, also in check mode.
options:
  target:
    description:
      - The version, or the digest or its first characters, of a deployment that is on the host.
      - Without it, the deployment that ran before.
    type: str
  only_from:
    description:
      - Do nothing unless this digest is what runs, so that a rollback can be repeated without going back twice.
    type: str
  reboot:
    description:
      - V(allow) reboots. V(defer) makes the target the next boot and reports that a reboot is required. V(refuse) fails
        before anything is changed when one is required.
    type: str
    choices: [allow, defer, refuse]
    default: allow
  timeout:
    description: How long to wait for the host, in seconds from the order to reboot.
    type: int
    default: 600
extends_documentation_fragment:
  - flotilla.container_os.permission
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
seealso:
  - module: flotilla.container_os.deployment_boot
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Go back to what ran before
  flotilla.container_os.deployment_rollback:

- name: Go back from a bad version, once
  flotilla.container_os.deployment_rollback:
    only_from: "{{ bad_digest }}"
"""

RETURN = r"""
boot:
  description: The reboot, or null when there was none.
  returned: always
  type: dict
  contains:
    from:
      description: The deployment that ran before.
      type: dict
    to:
      description: The deployment that runs now.
      type: dict
    boot_id_before:
      description: The boot id before.
      type: str
    boot_id_after:
      description: The boot id after.
      type: str
    elapsed:
      description: Seconds from the order to reboot until the host answered from its new boot.
      type: float
reboot_required:
  description: A reboot is needed and was deferred.
  returned: always
  type: bool
phase:
  description:
    - Where the host stands in the life of a rollout. In a failed result, V(rolled_back), V(failed) or V(unreachable).
  returned: when it is known
  type: str
  sample: booted
host_state:
  description: Where the host stands, from one observation. The same keys for every update mechanism; unknown is null.
  returned: always
  type: dict
  contains:
    driver:
      description: The update mechanism, or null where no known one is present.
      type: str
      sample: ostree
    os:
      description: C(id), C(version_id), C(variant_id) and C(pretty_name) of os-release.
      type: dict
    boot_id:
      description: The id of the running boot.
      type: str
    booted:
      description: The deployment that runs, with C(id), C(version), C(digest), C(origin), C(pinned) and C(verified).
      type: dict
    staged:
      description: What the next boot will run, when that is not what runs now.
      type: dict
    rollback:
      description: Where a rollback would go.
      type: dict
    deployments:
      description: All deployments, in boot order.
      type: list
      elements: dict
    channel:
      description: What the host follows, with C(name), C(source), C(verification) and C(remote).
      type: dict
    native_updater:
      description: The OS's own update agent, with C(name) and C(state) (V(active), V(held), V(disabled), V(absent)).
      type: dict
    mac:
      description: Mandatory access control, with C(system) and C(mode).
      type: dict
    busy:
      description: Work of ours or of the OS's update tool that is in progress.
      type: str
    guard:
      description: The armed guard, with its C(target), C(rollback_to), C(deadline) and what it C(covers).
      type: dict
    last_fallback:
      description:
        - The last time that the host went back to its previous deployment by itself, with C(cause)
          (V(boot_failed), V(not_confirmed), V(reset), V(not_activated)), C(target), C(at) and C(evidence).
      type: dict
    kernel_arguments:
      description: The arguments of the running kernel.
      type: list
      elements: str
    capabilities:
      description: What the driver of this host can do.
      type: list
      elements: str
"""
