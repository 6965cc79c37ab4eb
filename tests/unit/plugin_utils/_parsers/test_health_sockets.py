# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of /proc/net/tcp."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_sockets import parse_listening

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
CONNECTED = "   1: 0100007F:0016 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
LISTENS_6 = "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 1\n"


def test_both_families() -> None:
    assert parse_listening(HEAD + LISTENS + CONNECTED + HEAD + LISTENS_6, "tcp") == [22, 8080]


def test_the_state_of_udp_is_another() -> None:
    assert parse_listening(HEAD + LISTENS.replace(" 0A ", " 07 "), "udp") == [8080]
    assert parse_listening(HEAD + LISTENS, "udp") == []


@pytest.mark.parametrize("text", ["", LISTENS, HEAD + "what is this\n"])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(CannotParse):
        parse_listening(text, "tcp")
