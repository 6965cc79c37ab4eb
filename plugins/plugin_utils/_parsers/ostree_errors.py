# SPDX-License-Identifier: GPL-3.0-or-later
"""Why ostree and rpm-ostree refused to stage something: what they print, and what it means.

Sources: ostreedev/ostree src/libostree/ostree-repo-pull-verify.c and others, coreos/rpm-ostree src/daemon,
containers/image signature/policy_eval.go (printed by the image proxy).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Causes = tuple[tuple[re.Pattern[str], str], ...]


def _compiled(*pairs: tuple[str, str]) -> Causes:
    return tuple((re.compile(pattern), meaning) for pattern, meaning in pairs)


# Each says in its first group what is wrong, in the tool's own words.
OSTREE = _compiled(
    (r"(GPG verification enabled, but no signatures found)", "it is not signed"),
    (
        r"(Can't check signature: public key not found|GPG signatures found, but none are in trusted keyring)",
        "it is signed by a key that the remote does not trust",
    ),
    (r"(Corrupted commit object; checksum expected=\S+ actual=\S+)", "it was tampered with"),
    (r"(Corrupted \w+ object; checksum expected=\S+ actual=\S+)", "its content was tampered with"),
    (r"(BAD signature from .*)", "its signature is wrong"),
    (r"(ed25519: .*|no signatures found.*)", "its signature is not accepted"),
    (r"(min-free-space-\S+ '[^']*' would be exceeded.*|No space left on device.*)", "the disk is full"),
    (r"(While fetching \S+: .*|Server returned HTTP \d+.*)", "the remote does not answer as it should"),
    (r"(Upgrade target revision .* is chronologically older.*)", "it is older than what runs; allow_downgrade"),
)

RPM_OSTREE = (
    _compiled(
        (r"((?:System t|T)ransaction in progress.*)", "rpm-ostree is busy with something else"),
        (r"(Reboot initiated, cannot start new transaction)", "the host is about to reboot"),
        (
            r"(Updates and deployments are driven by .*)",
            "the host's own update agent is in charge; hold it with native_updater",
        ),
        (r"(A signature was required, but no signature exists)", "it is not signed"),
        (
            r"(cryptographic signature verification failed.*|None of the signatures were accepted.*"
            r"|Signature for identity .* is not accepted)",
            "its signature is not accepted",
        ),
        (r"(\S.* is rejected by policy.*)", "the host's containers policy rejects it"),
        (
            r"(containers-policy\.json specifies a default of .*)",
            "the host's containers policy lets everything in, which a signed origin refuses",
        ),
        (r"(the image's tag offers sha256:\S+, not .*)", "its tag has moved"),
        (r"(commit \S+ is older than .*)", "it is older than what runs; allow_downgrade"),
        (
            r"(Could not depsolve transaction.*|Package '.*' is already in the base.*|\"\S+\" is already provided by.*"
            r"|Some base packages would be replaced.*|Forbidden base package replacements.*)",
            "the host's layered packages do not fit it",
        ),
        (r"(Cannot operate; `LockLayering=true` in configuration.*)", "the host forbids layered packages"),
        (
            r"(Checksum \S+ not found in .*|Version \S+ not cached in .*|Cannot look up version while pinned.*)",
            "the host's channel does not have it",
        ),
        (r"(This command requires an ostree host system|Couldn't start daemon.*)", "rpm-ostree does not work here"),
        (
            r"(pinging container registry .*|manifest unknown.*|unauthorized.*|reading manifest .*|toomanyrequests.*)",
            "the registry does not answer as it should",
        ),
    )
    + OSTREE
)


def meaning_of(log: str, causes: Sequence[tuple[re.Pattern[str], str]]) -> str | None:
    """Return "MEANING: the tool's own words" for the first of `causes` that stands in `log`, or None."""
    for pattern, meaning in causes:
        found = pattern.search(log)
        if found:
            return f"{meaning}: {found[1].strip()}"
    return None
