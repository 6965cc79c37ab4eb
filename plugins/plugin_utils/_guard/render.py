# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard as steps: one script, put together from the driver's, the boot loader's and its own part."""

from __future__ import annotations

from pathlib import Path

from .._drivers._protocol import CountsBoots, Driver, GuardsFromElsewhere
from .._model.host import Step
from .._model.shell import print_files, quote, write_file
from .._model.state import Deployment

GUARD_DIR = "/var/lib/flotilla/guard"
SCRIPT = f"{GUARD_DIR}/guard.sh"

# Part of every observation.
GUARD_PROBE = Step("guard", print_files(*(f"{GUARD_DIR}/{name}" for name in ("armed", "trial", "fallback"))))


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def guard_script(driver: Driver) -> str:
    """Return the whole script for hosts of `driver`."""
    counter = driver.counter_functions() if isinstance(driver, CountsBoots) else _own("grub.sh")
    return "\n".join(["#!/bin/sh", driver.guard_functions(), counter, _own("guard.sh")])


def arm(
    driver: Driver, target: Deployment, rollback_to: Deployment, confirm_within: int, tries: int, boot_id: str
) -> Step:
    """A step that arms the guard for `target`, to go back to `rollback_to`; `confirm_within` in seconds.

    `boot_id`: of the running boot, for a guard that stands elsewhere.
    """
    if isinstance(driver, GuardsFromElsewhere):
        return driver.arm(target, rollback_to, confirm_within, boot_id)
    verb = f"arm {quote(target.id)} {quote(target.digest)} {quote(rollback_to.id)} {confirm_within} {tries}"
    return Step("arm", f"{write_file(SCRIPT, guard_script(driver), '0700')} && sh {SCRIPT} {verb}", required=True)


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
    return "" if isinstance(driver, GuardsFromElsewhere) else f"sh {SCRIPT} disarm"
