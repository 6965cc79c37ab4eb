# SPDX-License-Identifier: GPL-3.0-or-later
"""All drivers, in the order in which they are asked: a layer that sits on another comes before it."""

from __future__ import annotations

from ._protocol import (
    CanRollBack,
    CanSetKernelArguments,
    CanSwitchByStaging,
    CanSwitchChannel,
    CountsBoots,
    Driver,
    HasNativeUpdater,
    HasUpdaterSetting,
)
from .boot_image import BootImage
from .bootc import Bootc
from .bottlerocket import Bottlerocket
from .ostree import OSTree
from .rauc import Rauc
from .rpm_ostree import RpmOSTree
from .snapd import Snapd
from .sysupdate import Sysupdate
from .talos import Talos
from .transactional_update import TransactionalUpdate
from .update_engine import UpdateEngine

DRIVERS: tuple[Driver, ...] = (
    Talos(),
    Bottlerocket(),
    BootImage(),
    TransactionalUpdate(),
    Bootc(),
    RpmOSTree(),
    OSTree(),
    UpdateEngine(),
    Rauc(),
    Snapd(),
    Sysupdate(),
)

# The word for each optional power, as `host_state.capabilities` and the support matrix show it.
_POWERS: tuple[tuple[type, str], ...] = (
    (CanRollBack, "rollback"),
    (CanSwitchChannel, "switch_channel"),
    (CanSwitchByStaging, "switch_channel"),
    (CanSetKernelArguments, "kernel_arguments"),
    (HasNativeUpdater, "hold_updater"),
    (HasUpdaterSetting, "hold_updater"),
    (CountsBoots, "boot_counting"),
)


def capabilities(driver: Driver) -> tuple[str, ...]:
    """Return what `driver` can do, in words, sorted."""
    return tuple(sorted({*driver.capabilities, *(word for power, word in _POWERS if isinstance(driver, power))}))
