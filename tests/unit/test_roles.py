# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and playbooks: every option is described, and nothing that needs Python is run on a host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.playbook.block import Block
from ansible.playbook.task import Task as AnsibleTask

ROOT = Path(__file__).parents[2]
COLLECTION = "flotilla.container_os"
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]
OUR_MODULES = {f"{COLLECTION}.{path.stem}" for path in (ROOT / "plugins/modules").glob("[a-z]*.py")}
# Builtins that work on the controller alone. Every other module needs Python where it runs.
HARMLESS = re.compile(
    r"ansible\.builtin\.(add_host|assert|debug|fail|group_by|import_playbook|import_role|import_tasks|include_role"
    r"|include_tasks|meta|set_fact)"
)
# What may stand in a task beside its module.
KEYWORDS = {*AnsibleTask.fattributes, *Block.fattributes}
# A role for localhost: playbooks run it nowhere else.
FOR_THE_CONTROLLER = {"lab"}


@dataclass(frozen=True)
class Task:
    """A task: what was written, and whether it, or a block around it, is sent to localhost."""

    written: Mapping[str, Any]
    on_controller: bool

    @property
    def modules(self) -> set[str]:
        return set(self.written) - KEYWORDS


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def _tasks(entries: Any, on_controller: bool) -> Iterator[Task]:
    for entry in entries or []:
        here = on_controller or entry.get("delegate_to") == "localhost"
        yield Task(entry, here)
        for key in ("block", "rescue", "always"):
            yield from _tasks(entry.get(key), here)


def _tasks_of(role: Path) -> list[Task]:
    on_controller = role.name in FOR_THE_CONTROLLER
    return [task for path in sorted((role / "tasks").glob("*.yml")) for task in _tasks(_load(path), on_controller)]


def _entry_points(role: Path) -> dict[str, Any]:
    return dict(_load(role / "meta/argument_specs.yml")["argument_specs"])


def _defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults/main.yml"
    return (_load(path) or {}) if path.exists() else {}


def _described(where: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is missing in a description."""
    for name, option in options.items():
        for key in ("description", "type"):
            if not option.get(key):
                yield f"{where}: {name} has no {key}"
        if option.get("type") == "list" and not option.get("elements"):
            yield f"{where}: {name} does not say what its elements are"
        yield from _described(f"{where}: {name}", option.get("options", {}))


def _words(value: Any) -> Any:
    """A template without its line breaks: where a line is folded is no difference."""
    return " ".join(value.split()) if isinstance(value, str) else value


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_arguments_are_described(role: Path) -> None:
    missing = []
    for entry, spec in _entry_points(role).items():
        missing += [f"{entry} has no {key}" for key in ("short_description", "description") if not spec.get(key)]
        missing += _described(entry, spec.get("options", {}))
        missing += [f"{name} has no prefix" for name in spec.get("options", {}) if not name.startswith(f"{role.name}_")]
        if not (role / f"tasks/{entry}.yml").exists():
            missing.append(f"{entry} has no tasks")
    assert not missing


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_agree(role: Path) -> None:
    defaults = _defaults(role)
    described: dict[str, Any] = {}
    for entry, spec in _entry_points(role).items():
        for name, option in spec.get("options", {}).items():
            assert ("default" in option) == (name in defaults), f"{entry}: {name} has a default in one place only"
            if name in defaults:
                assert _words(option["default"]) == _words(defaults[name]), f"{entry}: {name}"
                assert not option.get("required"), f"{entry}: {name} is required and has a default"
            described[name] = option
    assert set(defaults) <= set(described), "a default that no entry point describes"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_variables_of_the_role_exist(role: Path) -> None:
    """A name with the role's prefix is an option, a variable of the role, or what a task leaves."""
    known = {name for spec in _entry_points(role).values() for name in spec.get("options", {})} | set(_defaults(role))
    if (role / "vars/main.yml").exists():
        known |= set(_load(role / "vars/main.yml"))
    for task in _tasks_of(role):
        known |= {str(task.written.get("register"))} | set(task.written.get("vars", {}))
        known |= set(task.written.get("ansible.builtin.set_fact", {}))
    used = set()
    for path in [*role.glob("tasks/*.yml"), *role.glob("vars/*.yml"), *role.glob("defaults/*.yml")]:
        text = re.sub(r"(?m)(^|\s)#.*$", "", path.read_text())
        used |= {
            name
            for template in re.findall(r"(?s)\{\{.*?\}\}|(?:when|that|until): .*?$", text)
            for name in re.findall(rf"(?<![\w.'\"/]){role.name}_\w+", template)
        }
    assert used <= known, f"nothing sets {sorted(used - known)}"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_tasks_are_named_and_fit_for_a_host(role: Path) -> None:
    tasks = _tasks_of(role)
    assert tasks
    for task in tasks:
        assert task.written.get("name"), f"a task without a name: {task.written}"
        _assert_fit(task)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_progress_can_read_the_steps_of_a_rollout(role: Path) -> None:
    """The callback knows a step by its state as it is written in the task: there must be no template."""
    steps = [
        task.written.get(f"{COLLECTION}.{name}") for task in _tasks_of(role) for name in ("rollout", "rollout_gate")
    ]
    assert not [step for step in steps if step is not None and not step["state"].isalpha()]


def _assert_fit(task: Task) -> None:
    name = task.written.get("name")
    assert len(task.modules) == (0 if "block" in task.written else 1), f"{name}: {sorted(task.modules)}"
    for module in task.modules:
        assert module.count(".") >= 2, f"{name}: {module} is not a full name"
        if module.startswith(f"{COLLECTION}."):
            assert module in OUR_MODULES, f"{name}: there is no {module}"
        elif not HARMLESS.fullmatch(module):
            assert task.on_controller, f"{name}: {module} needs Python, which a host does not have"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_plays(path: Path) -> None:
    for play in _load(path):
        assert play.get("name")
        if "ansible.builtin.import_playbook" in play:
            imported = play["ansible.builtin.import_playbook"]
            stem = imported.removeprefix(f"{COLLECTION}.").removesuffix(".yml")
            assert (ROOT / f"playbooks/{stem}.yml").exists(), f"there is no playbook {imported}"
            continue
        assert play.get("gather_facts") is False, f"{path.name}: gathering facts needs Python on the host"
        on_controller = play["hosts"] == "localhost"
        for task in _tasks([*play.get("pre_tasks", []), *play.get("tasks", [])], on_controller):
            assert task.written.get("name")
            _assert_fit(task)
            for key in ("import_role", "include_role"):
                role = task.written.get(f"ansible.builtin.{key}", {}).get("name")
                if role is not None:
                    _assert_role_fits(role, task)
        assert "roles" not in play, f"{path.name}: roles are imported as tasks, which have names"


def _assert_role_fits(role: str, task: Task) -> None:
    name = role.removeprefix(f"{COLLECTION}.")
    assert name in {one.name for one in ROLES}, f"there is no role {role}"
    tasks_from = task.written.get("ansible.builtin.import_role", {}).get("tasks_from", "main")
    assert (ROOT / f"roles/{name}/tasks/{tasks_from}.yml").exists()
    assert task.on_controller or name not in FOR_THE_CONTROLLER, f"role {name} is for localhost"
