# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs to know of a host, from the native `host_state` that the modules return. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._model.phase import Phase


@dataclass(frozen=True)
class Version:
    """A version of the OS. Identity is `digest`; `name` is for people."""

    digest: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.name or 'unknown version'} ({self.digest[:12]})"


@dataclass(frozen=True)
class Seen:
    """One host as it was observed. `trouble` says why nothing is known of it; all else is None then.

    `offer`: what its channel offers. `on_trial`, `guarded`: digest that the guard watches, booted or not yet.
    `variables`: the host variables that the policy looks at.
    """

    host: str
    trouble: str | None = None
    reachable: bool = True
    driver: str | None = None
    booted: Version | None = None
    staged: Version | None = None
    offer: Version | None = None
    on_trial: str | None = None
    guarded: str | None = None
    fell_back_from: str | None = None
    fallback_cause: str | None = None
    fallback_evidence: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    def phase(self, target: str) -> Phase:
        """Return where the host stands on its way to `target`, from what was seen alone."""
        if self.trouble is not None:
            return Phase.FAILED if self.reachable else Phase.UNREACHABLE
        if self.on_trial == target:
            return Phase.BOOTED
        if self.guarded == target:
            return Phase.GUARDED
        if self.booted and self.booted.digest == target:
            return Phase.CONFIRMED
        if self.fell_back_from == target:
            return Phase.ROLLED_BACK
        if self.staged and self.staged.digest == target:
            return Phase.STAGED
        return Phase.STEADY


def seen(host: str, result: Mapping[str, Any] | None, variables: Mapping[str, Any] | None = None) -> Seen:
    """Read the registered result of `deployment_info` with `offer: true`. None: the task never ran for the host."""
    variables = variables or {}
    if result is None:
        return Seen(host, trouble="it was not observed", reachable=False, variables=variables)
    if result.get("unreachable"):
        return Seen(host, trouble=_one_line(result.get("msg")), reachable=False, variables=variables)
    if result.get("failed") or not isinstance(result.get("host_state"), Mapping):
        return Seen(host, trouble=_one_line(result.get("msg")), variables=variables)
    state: Mapping[str, Any] = result["host_state"]
    guard, fallback = state.get("guard") or {}, state.get("last_fallback") or {}
    booted_id = (state.get("booted") or {}).get("id")
    guarded = guard.get("target_digest")
    return Seen(
        host,
        driver=state.get("driver"),
        booted=_version(state.get("booted")),
        staged=_version(state.get("staged")),
        offer=_version(result.get("offer")),
        on_trial=guarded if guard and guard.get("target") == booted_id else None,
        guarded=guarded if guard and guard.get("target") != booted_id else None,
        fell_back_from=fallback.get("target_digest"),
        fallback_cause=fallback.get("cause"),
        fallback_evidence=fallback.get("evidence"),
        variables=variables,
    )


def _version(value: Mapping[str, Any] | None) -> Version | None:
    if not value or not value.get("digest"):
        return None
    name = value.get("version")
    return Version(str(value["digest"]), None if name is None else str(name))


def _one_line(text: object) -> str:
    return " ".join(str(text or "no reason given").split())[:300]
