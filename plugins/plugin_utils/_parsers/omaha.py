# SPDX-License-Identifier: GPL-3.0-or-later
"""An update server's answer, Omaha 3.0 as update_engine reads it.

Sources: flatcar/update_engine src/update_engine/omaha_request_action.cc; flatcar/nebraska backend/pkg/omaha.
"""

from __future__ import annotations

import base64
import binascii
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from .._errors import CannotParse

_WHAT = "the answer of the update server"
# A SHA-256 in bytes.
_SIZE = 32


@dataclass(frozen=True)
class Answer:
    """`status` of the check: ok, noupdate, or a refusal, which `reason` explains (Nebraska's status of the app).

    For ok: the `version`, and the SHA-256 of its payload as `digest`, in hexadecimal.
    """

    status: str
    reason: str | None = None
    version: str | None = None
    digest: str | None = None


def parse_answer(text: str) -> Answer:
    """Return what the server answers to a check. As for the engine, only the first of each element counts.

    Raises CannotParse.
    """
    # No answer has a document type; with one, a few bytes could grow into gigabytes.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CannotParse(_WHAT, "it has a document type", text[:200])
    try:
        root = ET.fromstring(text.strip())
    except (ET.ParseError, ValueError) as exc:
        raise CannotParse(_WHAT, f"it is no XML: {exc}", text[:200]) from exc
    app = root.find("app") if root.tag == "response" else None
    check = app.find("updatecheck") if app is not None else None
    status = check.get("status") if check is not None else None
    if app is None or check is None or not status:
        raise CannotParse(_WHAT, "it says nothing of an update", text[:200])
    if status != "ok":
        return Answer(status, app.get("status"))
    manifest = check.find("manifest")
    version = manifest.get("version") if manifest is not None else None
    action = manifest.find("actions/action[@event='postinstall']") if manifest is not None else None
    if not version or any(sign.isspace() for sign in version):
        raise CannotParse(_WHAT, "the update has no version", text[:200])
    return Answer(status, None, version, _digest(action.get("sha256") if action is not None else None))


def _digest(value: str | None) -> str:
    try:
        found = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise CannotParse(_WHAT, "the payload's SHA-256 is no base64", value) from exc
    if len(found) != _SIZE:
        raise CannotParse(_WHAT, "the update names no SHA-256 of its payload", value)
    return found.hex()
