# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell a host what to follow, and how what it follows is verified.

Nothing is downloaded, but by a mechanism that follows another channel only by staging what it offers (bootc).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from .._drivers._protocol import (
    CanSwitchByStaging,
    CanSwitchChannel,
    ChannelRules,
    ChannelWish,
    HasOwnSource,
    reason_for_lack,
)
from .._errors import FlotillaError, Refused
from .._jobs import Job, run_job
from .._model.host import Clock, Host
from .._model.outcome import Outcome
from .._model.state import Channel, HostState, Verification, named
from .observe import Observed, observe

# libostree's rules for a remote and a branch (src/libostree/ostree-core.c, ostree_validate_remote_name, _validate_rev).
_REMOTE = re.compile(r"[\w.-]+")
_BRANCH = re.compile(r"[\w.-]+(/[\w.-]+)*")
_URL = re.compile(r"(https?|file|mirrorlist=https?)://\S+")
# containers-transports(5), and what stands for a channel there: a tag, or a digest to stay on.
_IMAGE = re.compile(r"(docker://|oci:|oci-archive:|containers-storage:|dir:)\S+")
_TAG = re.compile(r"sha256:[0-9a-f]{64}")
# For the work on a host whose mechanism stages what it is told to follow (s).
STAGE_TIME = 1800


def validate(wish: ChannelWish) -> None:
    """Raise Refused for what no host with remotes and branches can follow."""
    for what, value, rules in (
        ("channel", wish.name, (_BRANCH, _TAG)),
        ("remote", wish.remote, (_REMOTE,)),
        ("source", wish.source, (_URL, _IMAGE)),
    ):
        if value is not None and not any(rule.fullmatch(value) for rule in rules):
            raise Refused(f"cannot follow {what} {value!r}: that is no valid {what}")
    if wish.keys is not None and "BEGIN PGP PUBLIC KEY BLOCK" not in wish.keys:
        raise Refused("cannot trust keys: the text is no ASCII-armoured OpenPGP public key")


def switch(host: Host, clock: Clock, wish: ChannelWish, check: bool) -> Outcome:
    """Make `host` follow `wish`; what it leaves open stays as it is.

    Raises Refused (no driver, no such power, a new remote without its parts or its key), FlotillaError when the host
    does not follow it afterwards.
    """
    observed = observe(host)
    driver = observed.driven("set the update channel")
    if isinstance(driver, CanSwitchByStaging):
        return _switch_by_staging(host, clock, observed, driver, wish, check)
    if not isinstance(driver, CanSwitchChannel):
        raise Refused(f"cannot set the update channel of {host.name}: {reason_for_lack(driver, 'switch_channel')}")
    own = driver if isinstance(driver, HasOwnSource) and wish.source == driver.own_source else None
    validate(replace(wish, source=None) if own else wish)
    _refuse_impossible(host, driver.name, driver.channel_rules, wish)
    before = observed.state.channel
    wanted = _wanted(host, before, wish, driver.channel_rules)
    if own:
        wanted = replace(wanted, source=own.source(observed.results))
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


def _switch_by_staging(
    host: Host, clock: Clock, observed: Observed, driver: CanSwitchByStaging, wish: ChannelWish, check: bool
) -> Outcome:
    state = observed.state
    wanted = driver.wanted_channel(state.channel, wish)
    if wanted == state.channel:
        return _outcome(observed, wanted, f"follows {_shown(wanted)} already", False)
    script = driver.switch_by_staging(state, wanted)
    if state.guard is not None:
        raise Refused(f"cannot set the update channel of {host.name}: the guard is armed; confirm or roll back first")
    if state.busy:
        raise Refused(f"cannot set the update channel of {host.name}: the host is busy: {state.busy}")
    dropped = f"; {named(state.staged)}, which is staged, is replaced" if state.staged else ""
    if check:
        why = f"would follow {_shown(wanted)}, and stage what it offers{dropped}"
        return _outcome(observed, wanted, why, True)
    report = run_job(host, clock, Job("stage", f"staging {_shown(wanted)}", script), STAGE_TIME)
    after = observe(host).state
    if after.channel != wanted:
        cause = observed.driven("switch").explain(replace(state, channel=wanted), "", report.log) or (
            f"the command exited with {report.rc} and printed nothing"
        )
        raise FlotillaError(
            f"cannot make {host.name} follow {_shown(wanted)}: {cause}", host_state=after, log=report.log
        )
    why = f"follows {_shown(wanted)} now; {named(after.staged)} is staged{dropped}"
    return _outcome(observed, wanted, why, True, after=after)


def _refuse_impossible(host: Host, mechanism: str, rules: ChannelRules, wish: ChannelWish) -> None:
    for part in ("name", "source", "remote"):
        if getattr(wish, part) is not None and part not in (*rules.parts, *rules.optional):
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
    # An image is named by its source alone.
    alone = _IMAGE.fullmatch(wanted.source or "") is not None
    missing = [word for word in rules.parts if getattr(wanted, word) is None and not (alone and word == "remote")]
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
    name = f"{channel.remote}:{channel.name}" if channel.remote else channel.name
    return f"{name} ({channel.source}, verification {verification})"


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
