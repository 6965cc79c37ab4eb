# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there whole or not at all: whoever reads one while it is written gets the old one."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from .._errors import FlotillaError

MODE = 0o644


def differs(path: Path, content: str) -> bool:
    """Tell whether the file is missing or holds something else. Raises FlotillaError when it cannot be read."""
    try:
        return path.read_bytes() != content.encode()
    except FileNotFoundError:
        return True
    except OSError as exc:
        raise FlotillaError(f"cannot read {path}: {exc.strerror}") from exc


def replace(path: Path, content: str) -> None:
    """Write `content` beside the file and rename it over. Raises FlotillaError; then the old file is still there."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode())
            file.flush()
            os.fchmod(file.fileno(), MODE)
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as exc:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        raise FlotillaError(f"cannot write {path}: {exc.strerror}") from exc
