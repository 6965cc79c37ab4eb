# SPDX-License-Identifier: GPL-3.0-or-later
"""Options exist once in code and once in the docs, and the two agree."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import HostAction
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.option import option_fields
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.registry import TYPES
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.request import Probe

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins/action").glob("[a-z]*.py"))
COLLECTION = "flotilla.container_os"
PACKAGE = f"ansible_collections.{COLLECTION}.plugins"
COMPARED = ("type", "elements", "choices", "default", "required", "aliases")
# They belong to no group: each is called for what it is.
UNGROUPED = {"machine", "preflight", "reboot_lock", "reboot_lock_breaker"}
# Options whose inner options are read by our own code, not by Ansible's, and have a test of their own here.
READ_ELSEWHERE = {("host_health", "probes")}
# What a task may have beside its module (those that the examples use).
TASK_KEYWORDS = {"check_mode", "delegate_to", "diff", "loop", "name", "register", "run_once", "vars", "when"}


def _documents(name: str) -> dict[str, Any]:
    path = ROOT / f"plugins/modules/{name}.py"
    found = {}
    for node in ast.parse(path.read_text()).body:
        assert isinstance(node, ast.Assign), f"{path.name} holds more than its documentation"
        target = node.targets[0]
        assert isinstance(target, ast.Name)
        assert isinstance(node.value, ast.Constant)
        found[target.id] = yaml.safe_load(node.value.value)
    return found


def _options(documentation: dict[str, Any]) -> dict[str, Any]:
    options = dict(documentation.get("options", {}))
    fragments = documentation.get("extends_documentation_fragment", [])
    for name in [fragments] if isinstance(fragments, str) else fragments:
        assert name.startswith(f"{COLLECTION}.")
        fragment = importlib.import_module(f"{PACKAGE}.doc_fragments.{name.rpartition('.')[2]}")
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION).get("options", {}))
    return options


def _action(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.action.{name}").ActionModule


def _assert_same(where: str, documented: dict[str, Any], specified: dict[str, Any]) -> None:
    assert sorted(documented) == sorted(specified), where
    for option, spec in specified.items():
        for key in COMPARED:
            default = {"required": False, "aliases": []}.get(key)
            assert documented[option].get(key, default) == spec.get(key, default), f"{where}: {option}: {key}"
        assert documented[option]["description"], f"{where}: {option}"
        if (where, option) not in READ_ELSEWHERE:
            _assert_same(f"{where}: {option}", documented[option].get("suboptions", {}), spec.get("options", {}))


def _tasks(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the tasks of an example, which may be a list of tasks or of plays."""
    for entry in node:
        children = [entry[key] for key in ("tasks", "pre_tasks", "block", "rescue", "always") if key in entry]
        for child in children:
            yield from _tasks(child)
        if not children and "hosts" not in entry:
            yield entry


def test_every_action_has_its_twin() -> None:
    assert MODULES == ACTIONS


@pytest.mark.parametrize("name", MODULES)
def test_twin_holds_documentation_and_nothing_else(name: str) -> None:
    documents = _documents(name)
    assert set(documents) == {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    assert documents["DOCUMENTATION"]["module"] == name
    assert documents["RETURN"]


@pytest.mark.parametrize("name", MODULES)
def test_options_agree(name: str) -> None:
    _assert_same(name, _options(_documents(name)["DOCUMENTATION"]), _action(name).SPEC)


def test_options_of_probes_agree() -> None:
    documented = _options(_documents("host_health")["DOCUMENTATION"])["probes"]["suboptions"]
    names = {field.name for kind in (Probe, *TYPES) for field in option_fields(kind)}
    assert set(documented) == names | {"expect"}  # which may be anything, and so has no reader
    assert documented["type"]["choices"] == [kind.TYPE for kind in TYPES]
    for kind in TYPES:
        for field in option_fields(kind):
            words = str(documented[field.name]["description"])
            assert f"V({kind.TYPE})" in words, f"{field.name}: does not say that it is one of {kind.TYPE}"


@pytest.mark.parametrize("name", MODULES)
def test_rules_name_options_that_exist(name: str) -> None:
    action = _action(name)
    named = {option for names in action.MUTUALLY_EXCLUSIVE for option in names}
    named |= {rule[0] for rule in action.REQUIRED_IF} | {option for rule in action.REQUIRED_IF for option in rule[2]}
    assert named <= set(action.SPEC)


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_what_exists(name: str) -> None:
    shown = set()
    for task in _tasks(_documents(name)["EXAMPLES"]):
        assert task["name"]
        for module in set(task) - TASK_KEYWORDS:
            if module.startswith(f"{COLLECTION}."):
                used = module.rpartition(".")[2]
                shown.add(used)
                unknown = set(task[module] or {}) - set(_action(used).SPEC)
                assert not unknown, f"{name}: {module} has no option {', '.join(unknown)}"
            else:
                assert module.startswith("ansible.builtin."), f"{name}: {module} is neither a keyword nor ours"
    assert name in shown


def test_groups_of_module_defaults() -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    assert set(groups["host"]) == {name for name in ACTIONS if issubclass(_action(name), HostAction)}
    grouped = [name for names in groups.values() for name in names]
    assert sorted([*grouped, *UNGROUPED]) == ACTIONS, "each module is in one group, or an exception"
