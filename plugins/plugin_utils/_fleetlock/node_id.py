# SPDX-License-Identifier: GPL-3.0-or-later
"""The id that Zincati gives its host at a lock server. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re

from .._errors import Refused

# Zincati's application id: `systemd-id128 machine-id -a de35106b6ec24688b63afddaa156679b`.
ZINCATI = bytes.fromhex("de35106b6ec24688b63afddaa156679b")


def zincati_id(machine_id: str) -> str:
    """Return the id that Zincati derives from the text of /etc/machine-id, 32 hex digits. Raises Refused.

    It is systemd's application specific machine id (sd_id128_get_machine_app_specific(3)): HMAC-SHA256 of the
    application's id with the machine's as the key, cut to 128 bits, marked as a random UUID.
    """
    text = machine_id.strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{32}", text) or not int(text, 16):
        raise Refused(f"cannot derive the id of a reboot lock: {machine_id.strip()[:80]!r} is no machine id")
    digest = bytearray(hmac.new(bytes.fromhex(text), ZINCATI, hashlib.sha256).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    return digest.hex()
