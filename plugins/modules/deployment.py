# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: deployment
short_description: Stage an update of the OS, or drop what is staged
version_added: 0.1.0
description:
  - Downloads, verifies and prepares a version of the OS for the next boot. The running system is not touched.
  - The work runs detached on the host. When the connection drops nothing is lost, and a second run finds the work in
    progress and waits for it.
  - An update whose signature is missing, unknown or wrong is refused, with the commit, the remote and the trusted keys,
    unless the channel's verification is V(none). See M(flotilla.container_os.update_channel).
options:
  state:
    description: Whether an update shall be staged, or nothing.
    type: str
    choices: [staged, absent]
    default: staged
  version:
    description:
      - V(latest), for what the channel offers now, or the version that the channel must be offering.
      - Not looked at when O(digest) is given, apart from messages.
    type: str
    default: latest
  digest:
    description:
      - Stage exactly this digest. It need not be what the channel offers now.
    type: str
  allow_downgrade:
    description: Stage also what is older than what runs.
    type: bool
    default: false
  timeout:
    description:
      - How long to wait for the work on the host, in seconds. It is not stopped when the time is over.
    type: int
    default: 1800
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
seealso:
  - module: flotilla.container_os.deployment_boot
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Stage what the channel offers
  flotilla.container_os.deployment:
    state: staged

- name: Stage exactly one digest
  flotilla.container_os.deployment:
    digest: 4d0b1d1ae5c4a6c3b1a0d5a1d1d4cf6a7f2a6a3f0f4b1f6a2f1a9d7e8c5b4a39

- name: Drop what is staged
  flotilla.container_os.deployment:
    state: absent
"""

RETURN = r"""
staged:
  description: What is staged now, or null. The keys are those of RV(host_state.booted).
  returned: always
  type: dict
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
