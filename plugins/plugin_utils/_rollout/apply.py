# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a plan that was made before against what would be planned now. Pure. The first difference is the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._errors import Refused
from .plan import canonical, digest_of

# What must be there to read a plan at all.
_NEEDED = ("waves", "left_out", "policy", "digest")


def check_document(given: Mapping[str, Any]) -> None:
    """Refuse what is no plan document, or one that was edited. Raises Refused."""
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        raise Refused(f"cannot apply plan: it has no {missing[0]}; give it the plan that rollout_plan returned")
    digest = digest_of(given)
    if digest != given["digest"]:
        raise Refused(
            f"cannot apply plan: it says that its digest is {str(given['digest'])[:12]}, and its content has "
            f"{digest[:12]}: it was changed since it was made"
        )


def check_same_plan(given: Mapping[str, Any], now: Mapping[str, Any], under_way: bool) -> None:
    """Refuse where `now`, the plan that would be carried out, is not `given`. Raises Refused.

    `under_way`: `now` is the plan of a rollout that has begun, which is no news of the fleet.
    """
    if given["digest"] == now["digest"]:
        return
    difference = next(_differences(given, now), "the budgets differ")
    what = "the rollout under way has another plan" if under_way else "the fleet no longer matches it"
    raise Refused(f"cannot apply plan {str(given['digest'])[:12]}: {what}: {difference}; make a new plan")


def _differences(given: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    was, found = _hosts(given), _hosts(now)
    for host in [*was, *(one for one in found if one not in was)]:
        if host not in found:
            yield f"{host} is to be upgraded in the plan, and now it is not: {now['left_out'].get(host, 'not there')}"
        elif host not in was:
            reason = given["left_out"].get(host, "not there")
            yield f"{host} is not to be upgraded in the plan ({reason}), and now it is"
        else:
            for name in was[host]:
                before, after = was[host][name], found[host].get(name)
                if before != after:
                    yield f"{name} of {host} is {canonical(before)} in the plan, and {canonical(after)} now"
    for host in sorted({*given["left_out"], *now["left_out"]}):
        reasons = given["left_out"].get(host, "not there"), now["left_out"].get(host, "not there")
        if reasons[0] != reasons[1]:
            yield f"{host} is left out: {reasons[0]}, in the plan, and {reasons[1]} now"
    for name in sorted(given["policy"]):
        if given["policy"][name] != now["policy"].get(name):
            yield f"{name} is {given['policy'][name]!r} in the plan, and {now['policy'].get(name)!r} now"


def _hosts(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one["host"]: one for wave in document["waves"] for one in wave}
