# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of a refusal, in the words of the tools; whole messages are in _drivers."""

from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.ostree_errors import (
    OSTREE,
    RPM_OSTREE,
    meaning_of,
)


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        (
            "error: System transaction in progress",
            "rpm-ostree is busy with something else: System transaction in progress",
        ),
        (
            "error: GDBus.Error:org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code26: "
            "Transaction in progress: (null)",
            "rpm-ostree is busy with something else: Transaction in progress: (null)",
        ),
        ("error: Reboot initiated, cannot start new transaction", "the host is about to reboot: "),
        ("error: BAD signature from x", "its signature is wrong: BAD signature from x"),
        ("error: While pulling b: While fetching http://x: [28] Timeout was reached", "the remote does not answer"),
        ("error: Server returned HTTP 404", "the remote does not answer as it should: Server returned HTTP 404"),
    ],
)
def test_meaning(log: str, meaning: str) -> None:
    assert str(meaning_of(log, RPM_OSTREE)).startswith(meaning)


def test_what_is_not_known_has_no_meaning() -> None:
    assert meaning_of("error: something new", RPM_OSTREE) is None
    assert meaning_of("error: Transaction in progress: upgrade", OSTREE) is None
