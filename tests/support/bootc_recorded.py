# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded status documents of bootc, as the JSON that our code asks the tool for."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[1] / "unit/fixtures/bootc"
NAMES = sorted(path.stem for path in FOLDER.glob("status-*"))


class _Loader(yaml.SafeLoader):
    """YAML as serde takes it: times and versions such as 20231230.1 are text, and one signature has a tag."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] in ("null", "bool", "int")]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("!ostreeRemote", lambda _loader, node: {"ostreeRemote": node.value})


def recorded(name: str, sort_keys: bool = False) -> str:
    """Return a recording as JSON; those that are JSON are unchanged unless their keys are to be sorted."""
    found = next(FOLDER.glob(f"{name}.*"))
    text = found.read_text()
    if found.suffix == ".json" and not sort_keys:
        return text
    host = json.loads(text) if found.suffix == ".json" else yaml.load(text, _Loader)
    return json.dumps(host, sort_keys=sort_keys, separators=(",", ":"))
