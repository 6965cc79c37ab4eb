# SPDX-License-Identifier: GPL-3.0-or-later
"""The module `rollout_report`: the ledger is read, files are written where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._errors import Refused
from .._model.outcome import Outcome
from .._rollout.ledger import Ledger
from .artifacts import artifacts
from .files import differs, replace
from .prometheus import prometheus
from .read import read


def write_report(options: Mapping[str, Any], check: bool, diff: bool) -> dict[str, Any]:
    """Write the report of a rollout; return what the task returns. Raises FlotillaError."""
    if not options["directory"] and not options["prometheus"]:
        raise Refused("cannot write a report: set directory, or prometheus, or both")
    ledger = Ledger(options["ledger"], create=False)
    document = read(ledger, options["name"], options["id"])
    if document is None:
        return {"changed": False, "msg": f"no rollout {options['name']} so far", "files": {}}
    wanted: dict[str, tuple[Path, str]] = {}
    if options["directory"]:
        directory = str(Path(options["directory"]).expanduser())
        found = artifacts(document, directory, options["formats"])
        wanted = {name: (Path(path), text) for name, (path, text) in found.items()}
    if options["prometheus"]:
        metrics = prometheus(document, list(ledger.quarantine().values()))
        wanted["prometheus"] = (Path(options["prometheus"]).expanduser(), metrics)
    stale = {name: one for name, one in wanted.items() if differs(*one)}
    if not check:
        for path, text in stale.values():
            replace(path, text)
    shown = ", ".join(str(path) for path, _text in stale.values())
    return Outcome(
        changed=bool(stale),
        why=f"{'would write' if check else 'wrote'} {shown}" if stale else "every file is up to date",
        returns={"files": {name: str(path) for name, (path, _text) in wanted.items()}},
        before={},
        after={name: str(path) for name, (path, _text) in stale.items()},
    ).result(diff)
