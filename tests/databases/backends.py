# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ledger a test has in its directory: SQLite, unless the URL of another one is written there."""

from __future__ import annotations

from pathlib import Path


def ledger_url(folder: Path) -> str:
    told = folder / "ledger.url"
    return told.read_text() if told.exists() else f"sqlite:///{folder}/ledger.sqlite"
