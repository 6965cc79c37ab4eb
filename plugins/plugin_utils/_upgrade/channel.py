# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell a host what to follow, and how what it follows is verified. Nothing is downloaded."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from .._drivers._protocol import CanSwitchChannel, ChannelRules, ChannelWish
from .._errors import FlotillaError, Refused
from .._model.host import Host
from .._model.outcome import Outcome
from .._model.state import Channel, HostState, Verification
from .observe import Observed, observe

# libostree's rules for a remote and a branch (src/libostree/ostree-core.c, ostree_validate_remote_name, _validate_rev).
_REMOTE = re.compile(r"[\w.-]+")
_BRANCH = re.compile(r"[\w.-]+(/[\w.-]+)*")
_URL = re.compile(r"(https?|file|mirrorlist=https?)://\S+")


def validate(wish: ChannelWish) -> None:
    """Raise Refused for what no host can follow."""
    for what, value, rule in (
        ("channel", wish.name, _BRANCH),
        ("remote", wish.remote, _REMOTE),
        ("source", wish.source, _URL),
    ):
        if value is not None and not rule.fullmatch(value):
            raise Refused(f"cannot follow {what} {value!r}: that is no valid {what}")
    if wish.keys is not None and "BEGIN PGP PUBLIC KEY BLOCK" not in wish.keys:
        raise Refused("cannot trust keys: the text is no ASCII-armoured OpenPGP public key")


def switch(host: Host, wish: ChannelWish, check: bool) -> Outcome:
    """Make `host` follow `wish`; what it leaves open stays as it is.

    Raises Refused (no driver, no such power, a new remote without its parts or its key), FlotillaError when the host
    does not follow it afterwards.
    """
    validate(wish)
    observed = observe(host)
    before = observed.state.channel
    driver = observed.driven("set the update channel")
    if not isinstance(driver, CanSwitchChannel):
        raise Refused(f"cannot set the update channel of {host.name}: the {driver.name} mechanism has none to set")
    _refuse_impossible(host, driver.name, driver.channel_rules, wish)
    wanted = _wanted(host, before, wish, driver.channel_rules)
    keys_differ = wish.keys is not None and driver.trusted_keys(observed.results, wanted) != _digest(wish.keys)
    if wanted == before and not keys_differ:
        return _outcome(observed, wanted, f"follows {_shown(wanted)} already", False)
    if check:
        return _outcome(observed, wanted, f"would follow {_shown(wanted)}", True, keys_differ)
    full = ChannelWish(wanted.name, wanted.source, wanted.remote, wanted.verification, wish.keys)
    after = observe(host, driver.switch_channel(observed.state, full))
    if after.state.channel != wanted or (
        wish.keys is not None and driver.trusted_keys(after.results, wanted) != _digest(wish.keys)
    ):
        raise FlotillaError(
            f"cannot make {host.name} follow {_shown(wanted)}: it follows {_shown(after.state.channel)}"
        )
    return _outcome(observed, wanted, f"follows {_shown(wanted)} now", True, keys_differ, after.state)


def _refuse_impossible(host: Host, mechanism: str, rules: ChannelRules, wish: ChannelWish) -> None:
    for part in ("name", "source", "remote"):
        if getattr(wish, part) is not None and part not in rules.parts:
            raise Refused(f"cannot set the {part} of {host.name}'s update channel: {mechanism} has none")
    if wish.verification is not None and wish.verification not in rules.verifications:
        possible = ", ".join(one.value for one in rules.verifications)
        raise Refused(
            f"cannot verify updates of {host.name} with {wish.verification.value}: {mechanism} knows {possible} only"
        )
    if wish.keys is not None and not rules.keys:
        raise Refused(f"cannot give {host.name} keys to trust: those of {mechanism} are part of the OS image")


def _wanted(host: Host, before: Channel | None, wish: ChannelWish, rules: ChannelRules) -> Channel:
    known = before or Channel(None, None, None)
    moved = wish.remote is not None and wish.remote != known.remote
    wanted = Channel(
        name=wish.name or known.name,
        source=wish.source or (None if moved else known.source),
        verification=wish.verification or (None if moved else known.verification) or rules.verifications[0],
        remote=wish.remote or known.remote,
    )
    missing = [word for word in rules.parts if getattr(wanted, word) is None]
    if missing:
        raise Refused(
            f"cannot set the update channel of {host.name}: its {' and '.join(missing)} is not known; give it"
        )
    if moved and wanted.verification is Verification.GPG and wish.keys is None:
        raise Refused(
            f"cannot set the update channel of {host.name}: the new remote {wanted.remote} verifies with gpg and has "
            "no key; give keys, or verification: none in so many words"
        )
    return wanted


def _digest(keys: str) -> str:
    return hashlib.sha256(keys.encode()).hexdigest()


def _shown(channel: Channel | None) -> str:
    if channel is None:
        return "nothing"
    verification = channel.verification.value if channel.verification else "unknown"
    remote = f"{channel.remote}:" if channel.remote else ""
    return f"{remote}{channel.name} ({channel.source}, verification {verification})"


def _outcome(
    before: Observed, wanted: Channel, why: str, changed: bool, new_keys: bool = False, after: HostState | None = None
) -> Outcome:
    return Outcome(
        changed,
        why,
        after or (replace(before.state, channel=wanted) if changed else before.state),
        returns={"channel": wanted},
        before={"channel": before.state.channel, "keys": "as they are"},
        after={"channel": wanted, "keys": "replaced" if new_keys else "as they are"},
    )
