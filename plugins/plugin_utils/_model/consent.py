# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says to a reboot: the option `reboot` of every module that may need one."""

from __future__ import annotations

import enum


class Consent(str, enum.Enum):
    """Consent to a reboot."""

    ALLOW = "allow"
    DEFER = "defer"  # do all else, report that one is needed
    REFUSE = "refuse"  # fail before anything is changed
