# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: machine
short_description: Start and stop a machine that becomes a host
version_added: 0.1.0
description:
  - Brings the machine of a host to a state. Its user, that user's key and the host's own key are handed over at the first
    boot, so that the host key is known before the first contact.
options:
  name:
    description: The name of the machine, and its host name.
    type: str
    required: true
  provider:
    description: What makes the machine. V(qemu) is a virtual machine on the controller.
    type: str
    choices: [qemu]
    default: qemu
  state:
    description:
      - V(running) and answering on SSH, V(stopped) by the OS, V(powered_off) at once as by a power cut, V(absent) with its
        disk. V(saved) and V(restored) are for O(snapshot).
    type: str
    choices: [running, stopped, powered_off, absent, saved, restored]
    default: running
  directory:
    description: Where all that belongs to the machine is kept, on the controller.
    type: path
    required: true
  image:
    description: The image of the OS. It is never written to. Required for O(state=running).
    type: path
  memory:
    description: Memory in MiB.
    type: int
    default: 512
  cpus:
    description: Number of virtual CPUs.
    type: int
    default: 1
  ssh_port:
    description: The port on 127.0.0.1 that leads to the machine's SSH. Required for O(state=running).
    type: int
  user:
    description: The user that is made on the machine.
    type: str
    default: core
  user_key:
    description: The private key of that user, made when there is none. Required for O(state=running).
    type: path
  acceleration:
    description: V(auto) uses KVM where a short probe shows that it works.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  disposable:
    description: What the machine writes need not survive a crash of the controller.
    type: bool
    default: false
  timeout:
    description: How long the machine may take until it answers, in seconds.
    type: int
    default: 300
  snapshot:
    description: The name of a snapshot with memory. Required for O(state=saved) and O(state=restored).
    type: str
notes:
  - Works on the controller alone; no host is connected to.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Start a virtual machine
  flotilla.container_os.machine:
    name: web1
    directory: /srv/machines/web1
    image: /srv/images/os.qcow2
    ssh_port: 22901
    user_key: /srv/machines/id_ed25519
"""

RETURN = r"""
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
machine:
  description: The machine, with C(name), C(state), C(pid), C(ssh_host), C(ssh_port), C(console) and C(known_hosts).
  returned: always
  type: dict
"""
