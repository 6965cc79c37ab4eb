# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: deployment_info
short_description: Read everything about a host's OS in one round trip
version_added: 0.1.0
description:
  - Reads which deployments of the OS are on a host, which one runs, what is staged, which channel it follows, what its
    own update agent, its guard and its mandatory access control do.
  - Reading changes nothing and costs one round trip, whatever is on the host.
options:
  offer:
    description:
      - Ask the channel as well what it offers now, in the same round trip. The host uses the network for that.
    type: bool
    default: false
  version:
    description:
      - V(latest), or the version that the channel must be offering; with another offer the task fails.
      - Looked at with O(offer=true) only.
    type: str
    default: latest
  wait:
    description:
      - How long to wait for a host that does not answer, in seconds, before it counts as unreachable. A run that was
        cut off may have left it in the middle of a reboot.
    type: int
    default: 0
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
  - A host that answers and whose tools do not, for five minutes (thirty with O(offer)), shows as unreachable.
seealso:
  - module: flotilla.container_os.deployment
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Read the host
  flotilla.container_os.deployment_info:
  register: host

- name: Show what runs
  ansible.builtin.debug:
    msg: "{{ host.host_state.booted.version }} ({{ host.host_state.booted.digest }})"

- name: See what the channel offers
  flotilla.container_os.deployment_info:
    offer: true
  register: host
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
offer:
  description: What the channel offers now.
  returned: when O(offer=true)
  type: dict
  contains:
    digest:
      description: The identity of the offered version.
      type: str
    version:
      description: Its version, for people; may be null.
      type: str
"""
