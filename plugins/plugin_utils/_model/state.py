# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a host: one schema for every driver. Absent or unknown is None, never a guess."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Verification(str, enum.Enum):
    """How what a channel offers is verified before it is deployed."""

    GPG = "gpg"
    SIGN = "sign"  # signatures of the mechanism's own kind (ostree: ed25519, spki; update_engine: the image's key)
    POLICY = "policy"  # containers-policy.json(5) of the host, which must not accept everything by default
    NONE = "none"


class UpdaterState(str, enum.Enum):
    """Whether the OS's own update agent may act."""

    ACTIVE = "active"
    HELD = "held"  # by us, to be handed back
    DISABLED = "disabled"  # by somebody else, or by `state: disabled`
    ABSENT = "absent"


class MacMode(str, enum.Enum):
    """What mandatory access control does as a whole."""

    ENFORCING = "enforcing"
    PERMISSIVE = "permissive"
    MIXED = "mixed"  # some profiles enforce, some only log
    DISABLED = "disabled"


class MacSystem(str, enum.Enum):
    """Which mandatory access control system the kernel runs."""

    APPARMOR = "apparmor"
    SELINUX = "selinux"
    NONE = "none"


@dataclass(frozen=True)
class Os:
    """The words of os-release(5) that tell one OS from another."""

    id: str | None = None
    version_id: str | None = None
    variant_id: str | None = None
    pretty_name: str | None = None


class Position(str, enum.Enum):
    """The place of a deployment on its host."""

    BOOTED = "booted"
    STAGED = "staged"  # prepared; written out, with its /etc, while the host shuts down
    PENDING = "pending"  # the next boot already, complete with its /etc
    ROLLBACK = "rollback"
    DOWNLOADED = "downloaded"  # prepared, and locked: a reboot drops it, unless it is released before


@dataclass(frozen=True)
class Deployment:
    """A bootable version of the OS. Identity is `digest`; `version` is for people.

    `id` is what the tool calls this very deployment (ostree: checksum.serial): two deployments of one digest
    differ in it.
    """

    id: str
    version: str | None
    digest: str
    origin: str | None
    position: Position | None = None
    pinned: bool = False
    verified: bool | None = None


@dataclass(frozen=True)
class Channel:
    """What a host follows. `name` in the words of the mechanism (ostree: the branch), `source` its URL."""

    name: str | None
    source: str | None
    verification: Verification | None
    remote: str | None = None


@dataclass(frozen=True)
class NativeUpdater:
    """The OS's own update agent. `name` is None where the OS has none that is known."""

    name: str | None
    state: UpdaterState


@dataclass(frozen=True)
class Mac:
    """SELinux or AppArmor as a whole. `mode` is None where the system runs and its mode cannot be seen."""

    system: MacSystem
    mode: MacMode | None


@dataclass(frozen=True)
class Guard:
    """The dead man's switch on a host, while it is armed.

    Seconds since the epoch by the host's own clock. `deadline` is None until the guard has seen, in the boot that runs
    now, that the target is what runs. `target` and `rollback_to` are ids of deployments.
    `covers` names what the guard can answer: "boot" (the OS does not come up) needs a boot loader that counts.
    """

    armed_at: int
    deadline: int | None
    target: str
    target_digest: str
    rollback_to: str
    confirm_within: int
    covers: tuple[str, ...] = ()
    boot_id_before: str | None = None


class FallbackCause(str, enum.Enum):
    """Why a host went back to the previous deployment by itself."""

    BOOT_FAILED = "boot_failed"  # the new deployment never reached user space
    NOT_CONFIRMED = "not_confirmed"  # it came up, and nobody confirmed it within the deadline
    RESET = "reset"  # it came up, and the machine was reset before anybody confirmed it
    NOT_ACTIVATED = "not_activated"  # the boot loader was never switched to it


@dataclass(frozen=True)
class Fallback:
    """The last time that the guard, or the boot loader under it, brought a host back. `at`: epoch seconds."""

    cause: FallbackCause
    target: str
    target_digest: str
    rollback_to: str
    at: int
    evidence: str


@dataclass(frozen=True)
class HostState:
    """Where a host stands, from one observation."""

    driver: str | None
    os: Os
    boot_id: str
    booted: Deployment | None = None
    staged: Deployment | None = None
    rollback: Deployment | None = None
    deployments: tuple[Deployment, ...] = ()
    channel: Channel | None = None
    native_updater: NativeUpdater = field(default_factory=lambda: NativeUpdater(None, UpdaterState.ABSENT))
    mac: Mac = field(default_factory=lambda: Mac(MacSystem.NONE, MacMode.DISABLED))
    busy: str | None = None
    guard: Guard | None = None
    last_fallback: Fallback | None = None
    kernel_arguments: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


def bare(digest: str) -> str:
    """Return a digest without the name of its algorithm: "sha256:ab12..." is ab12..."""
    return digest.rpartition(":")[2]


def named(deployment: Deployment | None) -> str:
    """Return a deployment in words for a message: "2 (ab12cd34ef56)"."""
    if deployment is None:
        return "nothing"
    return f"{deployment.version or 'unknown version'} ({bare(deployment.digest)[:12]})"
