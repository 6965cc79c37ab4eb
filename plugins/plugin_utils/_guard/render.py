# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard as steps: one script, put together from the driver's, the boot loader's and its own part."""

from __future__ import annotations

from pathlib import Path

from .._drivers._protocol import BELOW_IMAGE, STATE, CountsBoots, Driver, GuardsFromElsewhere, HasStateFolder
from .._model.host import Step
from .._model.shell import print_files, quote, write_file
from .._model.state import Deployment

# Part of every observation, and asked of hosts whose driver is not known.
GUARD_PROBE = Step(
    "guard",
    print_files(
        *(f"{state}/guard/{name}" for state in (STATE, BELOW_IMAGE) for name in ("armed", "trial", "fallback"))
    ),
)


def guard_dir(driver: Driver) -> str:
    """Return the folder of the guard on hosts of `driver`."""
    return f"{driver.state_folder if isinstance(driver, HasStateFolder) else STATE}/guard"


def script_path(driver: Driver) -> str:
    """Return where the guard's script is on hosts of `driver`, once it is armed."""
    return f"{guard_dir(driver)}/guard.sh"


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def guard_script(driver: Driver) -> str:
    """Return the whole script for hosts of `driver`."""
    counter = driver.counter_functions() if isinstance(driver, CountsBoots) else _own("grub.sh")
    return "\n".join(
        ["#!/bin/sh", f"GUARD_DIR={guard_dir(driver)}", driver.guard_functions(), counter, _own("guard.sh")]
    )


def arm(
    driver: Driver, target: Deployment, rollback_to: Deployment, confirm_within: int, tries: int, boot_id: str
) -> Step:
    """A step that arms the guard for `target`, to go back to `rollback_to`; `confirm_within` in seconds.

    `boot_id`: of the running boot, for a guard that stands elsewhere.
    """
    if isinstance(driver, GuardsFromElsewhere):
        return driver.arm(target, rollback_to, confirm_within, boot_id)
    verb = f"arm {quote(target.id)} {quote(target.digest)} {quote(rollback_to.id)} {confirm_within} {tries}"
    path = script_path(driver)
    return Step("arm", f"{write_file(path, guard_script(driver), '0700')} && sh {path} {verb}", required=True)


def confirm(driver: Driver, booted: str) -> Step:
    """A step that marks the deployment with id `booted` good and removes all that belongs to the guard.

    The script is sent along: it works also where the one on the host is already gone.
    """
    if isinstance(driver, GuardsFromElsewhere):
        return driver.confirm(booted)
    return Step("confirm", f"sh -c {quote(guard_script(driver))} guard confirm {quote(booted)}", required=True)


def disarm(driver: Driver) -> Step:
    """A step that calls the guard off, for a target that was never booted."""
    if isinstance(driver, GuardsFromElsewhere):
        return driver.disarm()
    return Step("disarm", f"sh -c {quote(guard_script(driver))} guard disarm", required=True)


def undo(driver: Driver) -> str:
    """Return sh with which the host itself calls an armed guard off; nothing where the guard stands elsewhere."""
    return "" if isinstance(driver, GuardsFromElsewhere) else f"sh {script_path(driver)} disarm"
