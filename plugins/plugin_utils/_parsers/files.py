# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files printed by one step (`_model/shell.py: print_files`), back into their parts."""

from __future__ import annotations

import re

from .._model.shell import FILE_MARK


def split_files(text: str) -> list[tuple[str, str]]:
    """Return (path, content) of each printed file, in order. Text before the first one is passed over."""
    parts = re.split(rf"^{re.escape(FILE_MARK)}(.*)$\n?", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))
