# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: update_channel
short_description: Set what a host follows, and how its updates are verified
version_added: 0.1.0
description:
  - Sets the channel of a host. What is not given stays as it is.
  - Nothing is downloaded or staged, but on hosts of bootc, which follow another image only by staging it
    (C(bootc switch)); it is booted by M(flotilla.container_os.deployment_boot), under the guard.
  - Updates are verified unless O(verification=none) says otherwise in so many words.
options:
  channel:
    description: >-
      The channel, in the words of the update mechanism; for OSTree the branch, for bootc the tag of the image, or a
      digest (V(sha256:...)) to stay on that very image; for transactional-update the alias of the one repository that is
      followed, all others are disabled.
    type: str
  source:
    description: >-
      The URL that the channel comes from; for bootc the image without its tag (V(quay.io/example/os), or with a
      transport as in containers-transports(5)); for snapd a folder of snaps in place of the store (V(https://...) or
      V(file:///...)), in which O(channel) is a folder with a C(SHA256SUMS), or V(store) to go back to the store.
    type: str
  remote:
    description: The name of the remote on the host. bootc has none.
    type: str
  verification:
    description: >-
      How updates are verified. A new remote is verified with V(gpg) when this is not given, a new image of bootc with
      V(policy), which is what C(/etc/containers/policy.json) on the host demands, and it must demand something.
    type: str
    choices: [gpg, sign, policy, none]
  keys:
    description: The public keys that updates may be signed by, ASCII-armored. They replace the ones given before.
    type: str
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode and diff mode are supported.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Follow the stable channel
  flotilla.container_os.update_channel:
    channel: stable/x86_64
    source: https://ostree.example.org/repo
    remote: example
    keys: "{{ lookup('ansible.builtin.file', 'example.asc') }}"

- name: Follow a folder of snaps, on a host of snapd that reaches no store
  flotilla.container_os.update_channel:
    source: https://files.example.org/snaps
    channel: stable
    verification: sign

- name: Follow another image, on a host of bootc
  flotilla.container_os.update_channel:
    channel: "10"
    source: quay.io/example/os
    verification: policy
"""

RETURN = r"""
msg:
  description: What was done, in a sentence.
  returned: always
  type: str
channel:
  description: What the host follows, with C(name), C(source), C(verification) and C(remote).
  returned: always
  type: dict
host_state:
  description: Where the host stands; see M(flotilla.container_os.deployment_info).
  returned: always
  type: dict
"""
