# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: deployment_boot
short_description: Reboot into the staged deployment under a guard, and prove it
version_added: 0.1.0
description:
  - Arms a guard on the host, reboots, and waits until the host runs the staged deployment.
  - The guard brings the previous deployment back when the new one does not come up (where the boot loader counts
    boots) or is not confirmed within O(confirm_within) of its boot, whatever happens to the controller or the network.
    Confirm with M(flotilla.container_os.deployment_confirm).
  - Proven means that the boot id changed, that the deployment which was staged is the one that runs, and that the
    channel, the native updater and mandatory access control are what they were.
  - A host that runs O(digest) already is left alone, so that a run that was cut off can be repeated.
  - "On the host it writes C(/var/lib/flotilla/guard/) and the units C(flotilla-guard.service),
    C(flotilla-guard-expire.timer) and C(flotilla-guard-expire.service) in C(/etc/systemd/system); confirming removes
    all of them. The boot loader's environment block gets C(boot_counter) and C(boot_success) where it counts boots."
  - A host that does not come back, or comes back on another deployment, makes the task fail, with RV(phase) and the
    reason. It is not shown as unreachable, so that C(rescue) and C(always) run.
options:
  digest:
    description:
      - Boot this digest; refuse when another one is staged.
      - Without it, whatever is staged is booted.
    type: str
  reboot:
    description:
      - V(allow) reboots. V(defer) only reports that a reboot is required. V(refuse) fails before anything is changed
        when one is required.
    type: str
    choices: [allow, defer, refuse]
    default: allow
  confirm_within:
    description:
      - How long the new deployment may run without being confirmed, in seconds from its boot. It must leave time for
        the health checks and for a controller that has to be started again.
    type: int
    default: 600
  timeout:
    description:
      - How long to wait for the host, in seconds from the order to reboot. It must be longer than O(confirm_within), so
        that a fallback is seen.
      - Without it, O(confirm_within) plus 600.
    type: int
  boot_tries:
    description:
      - How many boots the boot loader grants the new deployment, from 1 to 9, where it counts boots.
      - With two, a single power cut in the wrong moment is not taken for a bad OS.
    type: int
    default: 2
  unguarded:
    description:
      - What to do where the OS has no place for a guard (Bottlerocket, Talos). V(refuse) fails before anything is
        changed, with the reason. V(allow) boots all the same. Then O(confirm_within) has no effect, and nothing but a
        controller takes back what comes up and is not healthy; what does not come up is left to the OS's own fallback.
      - Where the OS has a place for the guard it is armed, whatever this says.
    type: str
    choices: [refuse, allow]
    default: refuse
extends_documentation_fragment:
  - flotilla.container_os.permission
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
seealso:
  - module: flotilla.container_os.deployment
  - module: flotilla.container_os.deployment_confirm
  - module: flotilla.container_os.deployment_rollback
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Reboot into what is staged
  flotilla.container_os.deployment_boot:
  register: booted

- name: See that the workload is healthy
  flotilla.container_os.host_health:
    probes:
      - {name: units, type: systemd}

- name: Keep it
  flotilla.container_os.deployment_confirm:
    digest: "{{ booted.host_state.booted.digest }}"
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
cause:
  description: Why the host went back by itself; see RV(host_state.last_fallback).
  returned: when it did
  type: str
  sample: boot_failed
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
