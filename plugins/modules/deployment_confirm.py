# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: deployment_confirm
short_description: Mark the booted deployment good and remove the guard
version_added: 0.1.0
description:
  - Confirms the deployment that M(flotilla.container_os.deployment_boot) put on trial, and removes everything that the
    guard left on the host.
  - Without it the host goes back to its previous deployment when the deadline has passed.
options:
  digest:
    description: Confirm this digest; refuse when another one runs.
    type: str
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
seealso:
  - module: flotilla.container_os.deployment_boot
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Keep what runs
  flotilla.container_os.deployment_confirm:
    digest: "{{ booted.host_state.booted.digest }}"
"""

RETURN = r"""
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
