# SPDX-License-Identifier: GPL-3.0-or-later
"""All providers, by the name that users give."""

from __future__ import annotations

from ._protocol import Provider
from .qemu import Qemu

PROVIDERS: dict[str, Provider] = {"qemu": Qemu()}
