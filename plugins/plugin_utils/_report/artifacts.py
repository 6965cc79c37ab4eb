# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a rollout: which ones, under which names, with which text. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .html import html
from .junit import junit

_WRITERS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "json": ("json", lambda document: json.dumps(document, indent=2, ensure_ascii=True) + "\n"),
    "junit": ("junit.xml", junit),
    "html": ("html", html),
}
FORMATS = tuple(_WRITERS)


def artifacts(document: Mapping[str, Any], directory: str, formats: Sequence[str]) -> dict[str, tuple[PurePath, str]]:
    """Return format to path and text. A name of a rollout that makes no file name is written with `_` instead.

    The same record gives the same bytes: nothing here knows the time.
    """
    rollout = document["rollout"]
    stem = f"{re.sub(r'[^A-Za-z0-9._-]', '_', rollout['name'])}-{rollout['id']}"
    return {
        name: (PurePath(directory) / f"{stem}.{suffix}", write(document))
        for name, (suffix, write) in _WRITERS.items()
        if name in formats
    }
