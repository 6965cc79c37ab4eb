# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is told at its first boot."""

from __future__ import annotations

import base64

from ansible_collections.flotilla.container_os.plugins.plugin_utils._provision.seed import Seed, credentials, encoded

SEED = Seed("lab1", "core", "ssh-ed25519 AAAA user", "-----BEGIN KEY-----\nsecret\n", "ssh-ed25519 BBBB host")


def test_keys_arrive_as_they_are_and_with_their_modes() -> None:
    told = credentials(SEED)
    files = [line.split() for text in told.values() for line in text.splitlines() if line.startswith("f")]
    found = {words[1]: (words[2], words[3], base64.b64decode(words[-1]).decode()) for words in files}
    assert found["/etc/ssh/ssh_host_ed25519_key"][0] == "0600"
    assert found["/etc/ssh/ssh_host_ed25519_key"][2].startswith("-----BEGIN KEY-----\nsecret\n")
    assert found["/var/home/core/.ssh/authorized_keys"][:2] == ("0600", "core")
    assert "ssh-ed25519 AAAA user" in found["/var/home/core/.ssh/authorized_keys"][2]


def test_an_existing_file_is_never_replaced() -> None:
    """tmpfiles.d(5): a line of type f with + would truncate; without, what is there stays."""
    kinds = {
        line.split()[0] for text in credentials(SEED).values() for line in text.splitlines() if line.startswith("f")
    }
    assert kinds
    assert not any("+" in kind for kind in kinds)


def test_encoding_survives_a_command_line() -> None:
    assert base64.b64decode(encoded("a=b, c\n")).decode() == "a=b, c\n"
    assert not set(encoded("a" * 500)) & set(" ,\n")
