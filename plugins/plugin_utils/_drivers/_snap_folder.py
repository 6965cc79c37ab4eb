# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of snaps, which hosts without a store are updated from, as the channel of the `snapd` driver."""

from __future__ import annotations

import re

from .._errors import FlotillaError, Refused, tail
from .._model.host import Result
from .._model.state import Verification
from .._parsers.snap_folder import Folder, offered, parse_folder
from .._parsers.snapd import SnapSet
from ._protocol import Candidate, ChannelWish

# What leads back from a folder to the store.
STORE = "store"
_URL = re.compile(r"(https?|file)://[^\s']+")


def folder_of(wish: ChannelWish) -> Folder | None:
    """Return the folder that `wish` is; None for the store. Raises Refused."""
    if wish.source is None or ":" not in wish.source:
        if wish.verification is Verification.NONE:
            raise Refused(
                "cannot follow the store without verification: what it gives is proven by assertions, always; only a "
                "folder (source: https://... or file://...) may be followed with verification: none"
            )
        return None
    if not _URL.fullmatch(wish.source):
        raise Refused(
            f"cannot follow {wish.source}: a folder of snaps is named by https://, http:// or file://, and "
            f"`{STORE}` leads back to the store"
        )
    return Folder(wish.source, wish.name or "", wish.verification or Verification.SIGN)


def offer(folder: Folder, result: Result, running: SnapSet) -> Candidate:
    """Read the SHA256SUMS of `folder` as what it offers to a host that runs `running`. Raises FlotillaError."""
    goal = f"ask {folder.url} for updates"
    if not result.ok:
        raise FlotillaError(f"cannot {goal}: {tail(result.stderr) or f'it gave no answer ({result.rc})'}")
    try:
        files = parse_folder(result.stdout, tuple(running.revisions), folder.verification)
    except FlotillaError as exc:
        raise FlotillaError(f"cannot {goal}: {exc.message}") from exc
    return Candidate(*offered(files, folder.verification))
