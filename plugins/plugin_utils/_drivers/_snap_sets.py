# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets of snaps of a host of the `snapd` driver: what runs, what is staged and what ran before, as deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._model.state import Deployment, Position
from .._parsers.snap_folder import parse_local_sums
from .._parsers.snapd import Snap, SnapSet
from ._protocol import BELOW_IMAGE

RECORDS = f"{BELOW_IMAGE}/snapd"
# The set that ran before; what the hold was; what is staged, and its version; the folder that is followed.
NAMES = ("before", "hold", "staged/set", "staged/version", "staged/sums", "folder")


@dataclass(frozen=True)
class Contents:
    """What is known of revisions beside their numbers, by NAME_REVISION: the SHA-256 of local files, and versions."""

    sums: Mapping[str, str]
    versions: Mapping[str, str]

    def deployment(self, found: SnapSet, position: Position, version: str | None = None) -> Deployment | None:
        """Return a set as a deployment; None where the file of a local snap is not to be had, so what is in it."""
        digest = found.digest_by(self.sums)
        if digest is None:
            return None
        return Deployment(
            id=found.id,
            version=version or self._version(found),
            digest=digest,
            origin=None,
            position=position,
            # A revision of the store is given to what its assertions prove, and to nothing else.
            verified=True if found.from_store else None,
        )

    def _version(self, found: SnapSet) -> str:
        """A local revision says nothing to people who look at several hosts: its version does."""
        words = []
        for name, revision in found.members:
            member = f"{name}_{revision}"
            version = self.versions.get(member) if revision.startswith("x") else None
            words.append(f"{name}_{version}" if version else member)
        return " ".join(words)


def contents(snaps: tuple[Snap, ...], sums: str) -> Contents:
    """`sums`: as sha256sum printed them. Raises CannotParse."""
    return Contents(parse_local_sums(sums), {f"{one.name}_{one.revision}": one.version for one in snaps if one.version})


def next_local(installed: set[tuple[str, str]], name: str) -> str:
    """Return the revision that snapd gives to the next local file of `name` (overlord/snapstate, doPrepareSnap)."""
    numbers = [int(revision[1:]) for known, revision in installed if known == name and revision.startswith("x")]
    return f"x{max(numbers, default=0) + 1}"


def records_of(seen: Mapping[str, str]) -> dict[str, str]:
    """Our own records, by name; `staged/NAME_REVISION.snap` for each file that is there."""
    folder = f"{RECORDS}/"
    return {path.removeprefix(folder): text.strip() for path, text in seen.items() if path.startswith(folder)}


def _recorded(records: Mapping[str, str], name: str) -> SnapSet | None:
    return SnapSet.parse(records[name]) if name in records else None


def staged_set(
    records: Mapping[str, str], running: SnapSet, installed: set[tuple[str, str]], known: Contents
) -> Deployment | None:
    """The set whose files are all on the host: staged by us, or installed."""
    found = _recorded(records, "staged/set")
    if found is None or found == running:
        return None
    for name, revision in found.members:
        brought = f"staged/{name}_{revision}.snap" in records
        # Under the revision that it was staged with, snapd would not take it any more.
        stale = brought and revision.startswith("x") and revision != next_local(installed, name)
        if stale or not (brought or (name, revision) in installed):
            return None
    sums = {**known.sums, **parse_local_sums(records.get("staged/sums", ""))}
    return replace(known, sums=sums).deployment(found, Position.STAGED, records.get("staged/version"))


def set_before(records: Mapping[str, str], running: SnapSet, installed: set[tuple[str, str]]) -> SnapSet | None:
    """The set to go back to: the one that ran before by our record, or else the only other one that there could be."""
    recorded = _recorded(records, "before")
    if recorded is not None and recorded != running and set(recorded.members) <= installed:
        return recorded
    mine = running.revisions
    others = [(name, revision) for name, revision in installed - set(running.members) if name in mine]
    return SnapSet.of({**mine, others[0][0]: others[0][1]}) if recorded is None and len(others) == 1 else None
