# SPDX-License-Identifier: GPL-3.0-or-later
"""The breaker by hand: it changes what it says, and in check mode nothing."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.breaker import by_hand


def test_tripped_and_reset(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    foretold = by_hand(url, True, "storage", True)
    assert (foretold.changed, foretold.returns["reason"].split(" (")[0]) == (True, "storage")  # type: ignore[attr-defined]
    assert not (tmp_path / "ledger.sqlite").exists()
    assert by_hand(url, True, "storage", False).changed is True
    again = by_hand(url, True, "another reason", False)
    assert again.changed is False
    assert again.why.startswith("the breaker is tripped: storage (tripped by ")
    assert by_hand(url, False, None, True).changed is True
    reset = by_hand(url, False, None, False)
    assert (reset.changed, reset.why, reset.returns["reason"]) == (True, "the breaker is reset", None)
    assert by_hand(url, False, None, False).changed is False
