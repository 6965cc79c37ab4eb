# SPDX-License-Identifier: GPL-3.0-or-later
"""Options exist once in code and once in the docs, and the two agree."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins/action").glob("[a-z]*.py"))
PACKAGE = "ansible_collections.flotilla.container_os.plugins"
COMPARED = ("type", "elements", "choices", "default", "required")
# They belong to no group: each is called for what it is.
UNGROUPED = {"machine", "preflight"}


def _documents(path: Path) -> dict[str, Any]:
    found = {}
    for node in ast.parse(path.read_text()).body:
        assert isinstance(node, ast.Assign), f"{path.name} holds more than its documentation"
        name = node.targets[0]
        assert isinstance(name, ast.Name)
        assert isinstance(node.value, ast.Constant)
        found[name.id] = yaml.safe_load(node.value.value)
    return found


def _options(documentation: dict[str, Any]) -> dict[str, Any]:
    options = dict(documentation.get("options", {}))
    fragments = documentation.get("extends_documentation_fragment", [])
    for name in [fragments] if isinstance(fragments, str) else fragments:
        fragment = importlib.import_module(f"{PACKAGE}.doc_fragments.{name.rpartition('.')[2]}")
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION).get("options", {}))
    return options


def _action(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.action.{name}").ActionModule


def test_every_action_has_its_twin() -> None:
    assert MODULES == ACTIONS


@pytest.mark.parametrize("name", MODULES)
def test_twin_holds_documentation_and_nothing_else(name: str) -> None:
    documents = _documents(ROOT / f"plugins/modules/{name}.py")
    assert set(documents) == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    assert documents["DOCUMENTATION"]["module"] == name
    assert documents["EXAMPLES"]
    assert documents["RETURN"]


@pytest.mark.parametrize("name", MODULES)
def test_options_agree(name: str) -> None:
    documented = _options(_documents(ROOT / f"plugins/modules/{name}.py")["DOCUMENTATION"])
    specified = _action(name).SPEC
    assert sorted(documented) == sorted(specified)
    for option, spec in specified.items():
        for key in COMPARED:
            default = False if key == "required" else None
            assert documented[option].get(key, default) == spec.get(key, default), f"{name}: {option}: {key}"
        assert documented[option]["description"]


def test_groups_of_module_defaults() -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction

    hosts = {name for name in ACTIONS if issubclass(_action(name), HostAction)}
    assert set(groups["host"]) == hosts
    assert set(groups["host"]) | set(groups["rollout"]) | UNGROUPED == set(ACTIONS)
