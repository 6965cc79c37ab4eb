# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: reboot_lock
short_description: Take the right to reboot from a FleetLock server, and give it back
version_added: 0.1.0
description:
  - Speaks FleetLock, the protocol of Zincati, with airlock, poseidon's fleetlock, this collection's own server, and others.
  - A refusal is asked again, with growing pauses that differ from host to host; 5xx, 408, 409, 423, 425 and 429 are refusals, and
    so is no answer. Other answers (a wrong URL, an unknown group, a missing permission) fail at once.
  - The same id may take a lock that it holds, and give back one that it does not hold. So a task that was cut off is run again.
  - Fails when the lock was not granted. Nothing may be rebooted then.
options:
  state:
    description:
      - V(held) takes the lock, before a reboot (C(/v1/pre-reboot)).
      - V(released) gives it back, once the host is well (C(/v1/steady-state)).
    type: str
    choices: [held, released]
    required: true
  url:
    description: The base URL of the lock server, without name and password. Redirects are not followed.
    type: str
    required: true
  group:
    description: The reboot group, letters, digits, C(.) and C(-). Zincati's is V(default), too.
    type: str
    default: default
  id:
    description:
      - The id of the host at the lock server. Default is the host's name in the inventory.
      - With this collection's own server leave it at that for hosts that a rollout drives, which counts each name once.
    type: str
  machine_id:
    description:
      - The text of the host's C(/etc/machine-id). The id is derived from it as Zincati does (an application specific machine id,
        see C(sd_id128_get_machine_app_specific(3))), so that playbooks and Zincati share one lock.
      - Mutually exclusive with O(id).
    type: str
  timeout:
    description:
      - Seconds that the server may be silent in one attempt. A server that drains the host before it answers, such as poseidon's,
        takes minutes; Zincati waits for 1800.
    type: int
    default: 30
  retries:
    description: How many attempts follow the first one.
    type: int
    default: 10
  delay:
    description: About how many seconds pass before the second attempt. It doubles with each attempt, up to 60.
    type: int
    default: 2
  headers:
    description: Headers to send as well, for a proxy that wants a token. Their values are never shown.
    type: dict
    default: {}
  validate_certs:
    description: Whether the certificate of an C(https) server must be valid.
    type: bool
    default: true
  ca_path:
    description: A file of CA certificates, PEM, on the controller.
    type: path
  client_cert:
    description: The client's certificate, PEM, on the controller; it may hold the key, too.
    type: path
  client_key:
    description: The key of O(client_cert).
    type: path
  use_proxy:
    description: Whether the proxy variables of the controller's environment are heeded.
    type: bool
    default: true
notes:
  - Works on the controller alone; no host is connected to.
  - In check mode nothing is sent. The protocol has no question that changes nothing, so a change is foretold.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Ask for the right to reboot, for half an hour or so
  flotilla.container_os.reboot_lock:
    state: held
    url: https://locks.example.org/
    group: workers
    retries: 30

- name: Give it back, as the Zincati of this host would
  flotilla.container_os.reboot_lock:
    state: released
    url: https://locks.example.org/
    group: workers
    machine_id: "{{ machine_id }}"
"""

RETURN = r"""
id:
  description: The id that was used.
  returned: success
  type: str
group:
  description: The group that was used.
  returned: success
  type: str
status:
  description: The HTTP status of the last answer, none when there was no answer.
  returned: when the server was asked
  type: int
kind:
  description: The server's word for it (C(failed_lock), C(lock_held)), none when it gave none.
  returned: when the server was asked
  type: str
value:
  description: The server's sentence, none when it gave none.
  returned: when the server was asked
  type: str
attempts:
  description: How often the server was asked.
  returned: when the server was asked
  type: int
uncertain:
  description: An attempt to take the lock got no answer, so the server may hold it all the same. O(state=released) settles that.
  returned: failure
  type: bool
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
"""
