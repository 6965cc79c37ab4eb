# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers: who may import whom (docs/concepts.md). Read from the imports, not from good intentions."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UTILS = ROOT / "plugins/plugin_utils"
ACTIONS = sorted((ROOT / "plugins/action").glob("[a-z]*.py"))
PREFIX = "ansible_collections.flotilla.container_os.plugins.plugin_utils."

# Folder or file to the folders and files that it may import from, beside itself.
_BASE = {"_errors", "_model"}
ALLOWED = {
    "_errors": set(),
    "_model": {"_errors"},
    "_parsers": _BASE,
    "_drivers": _BASE | {"_parsers"},
    "_guard": _BASE | {"_drivers._protocol"},
    "_mac": _BASE | {"_parsers"},
    "_health": _BASE | {"_parsers", "_mac", "_guard.render"},
    "_provision": _BASE,
    "_jobs": _BASE | {"_parsers"},
    "_host": _BASE | {"_parsers"},
    "_boot_server": _BASE | {"_host"},
    "_action": _BASE | {"_boot_server", "_host"},
    "_upgrade": _BASE
    | {"_parsers", "_drivers._protocol", "_drivers.registry", "_guard", "_jobs", "_mac", "_rollout.permission"},
    "_rollout": _BASE | {"_health", "_fleetlock.store"},
    "_fleetlock": _BASE | {"_rollout.controller", "_rollout.ledger"},
    "_report": _BASE | {"_rollout"},
    "_progress": _BASE,
    "_preflight": _BASE | {"_rollout", "_upgrade", "_drivers._protocol"},
}
# The only files that know something beside Python itself. One file touches connections, one is the base of all actions.
BEYOND_PYTHON = {
    "_action.py": {"ansible"},
    "_boot_server.py": {"ansible"},
    "_fleetlock/app.py": {"starlette"},
    "_fleetlock/client.py": {"ansible"},
    "_fleetlock/server.py": {"uvicorn"},
    "_fleetlock/store.py": {"sqlalchemy"},
    "_health/query.py": {"jmespath"},
    "_host.py": {"ansible"},
    "_preflight.py": {"yaml"},
    "_progress/live.py": {"rich"},
    "_report/html.py": {"jinja2"},
    "_rollout/database.py": {"sqlalchemy"},
    "_rollout/ledger.py": {"sqlalchemy"},
    "_rollout/near.py": {"sqlalchemy"},
    "_rollout/schema.py": {"sqlalchemy"},
    "_rollout/wave_table.py": {"sqlalchemy"},
}
# What reaches out of the process or looks at a clock. Files that are not listed below are given what they need.
REACHING_OUT = {"asyncio", "http", "multiprocessing", "os", "random", "secrets", "select", "shutil", "signal", "socket"}
REACHING_OUT |= {"sqlite3", "subprocess", "tempfile", "threading", "time", "urllib", "uuid"}
MAY_REACH_OUT = {
    "_action.py": {"time"},
    "_fleetlock/client.py": {"http", "random", "urllib"},
    "_fleetlock/server.py": {"os"},
    "_fleetlock/service.py": {"threading"},
    "_health/controller.py": {"http", "os", "signal", "socket", "subprocess", "threading", "time", "urllib"},
    "_host.py": {"secrets", "signal"},
    "_provision/qemu.py": {"os", "shutil", "signal", "socket", "subprocess", "threading", "time"},
    "_provision/qmp.py": {"os", "socket"},
    "_provision/seed.py": {"os", "subprocess"},
    "_progress/live.py": {"os", "threading"},
    "_report/files.py": {"os", "tempfile"},
    "_rollout/controller.py": {"os", "socket"},
}
# The parts of the layers that an action is made of: its base, values, and one use case.
NOT_FOR_ACTIONS = ("_drivers", "_guard", "_host", "_jobs", "_parsers")
FOR_ALL_ACTIONS = ("_action", "_errors", "_model", "_drivers._protocol")

FILES = sorted(path for path in UTILS.rglob("*.py") if path.name != "__init__.py")


def _imports(path: Path) -> set[str]:
    """Return the modules that a file imports, ours as paths from plugin_utils ("_model.host")."""
    found: set[str] = set()
    inside = path.relative_to(UTILS).parts[:-1] if path.is_relative_to(UTILS) else ()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = [*inside[: len(inside) - node.level + 1], *(node.module.split(".") if node.module else [])]
            # `from . import x` names a file by its alias.
            found |= {".".join(base)} if node.module else {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found - {"__future__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_layer(path: Path) -> None:
    layer = path.relative_to(UTILS).parts[0].removesuffix(".py")
    assert layer in ALLOWED, f"{layer} has no place in the table of layers"
    allowed = ALLOWED[layer] | {layer}
    for name in _imports(path):
        assert not name.startswith("ansible_collections."), f"{name}: import relatively within plugin_utils"
        if name.startswith("_"):
            assert any(name == one or name.startswith(f"{one}.") for one in allowed), f"{layer} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_world_outside(path: Path) -> None:
    file = path.relative_to(UTILS).as_posix()
    others = {name.split(".")[0] for name in _imports(path) if not name.startswith("_")}
    assert others - sys.stdlib_module_names <= BEYOND_PYTHON.get(file, set())
    assert others & REACHING_OUT <= MAY_REACH_OUT.get(file, set())


def test_no_exception_is_left_over() -> None:
    """A file that needs its exception no more must lose it."""
    for table in (BEYOND_PYTHON, MAY_REACH_OUT):
        for file, names in table.items():
            assert names <= {name.split(".")[0] for name in _imports(UTILS / file)}, file


@pytest.mark.parametrize("path", sorted((UTILS / "_drivers").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_drivers_do_not_know_each_other(path: Path) -> None:
    if path.stem != "registry":
        # Beside the protocol they share what begins with an underscore and drives nothing.
        assert all(name.startswith("_drivers._") for name in _imports(path) if name.startswith("_drivers."))


def test_only_the_registry_knows_a_concrete_driver() -> None:
    concrete = {f"_drivers.{path.stem}" for path in (UTILS / "_drivers").glob("[a-z]*.py")} - {"_drivers.registry"}
    assert concrete
    knowing = {path.relative_to(UTILS).as_posix() for path in FILES if _imports(path) & concrete}
    assert knowing == {"_drivers/registry.py"}


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.stem)
def test_actions_are_thin(path: Path) -> None:
    """Options in, one use case called, native types out."""
    assert len(path.read_text().splitlines()) <= 80
    ours = {name.removeprefix(PREFIX) for name in _imports(path) if name.startswith("ansible_collections.")}
    assert "_action" in ours
    use_cases = set()
    for name in ours:
        if name.startswith(FOR_ALL_ACTIONS):
            continue
        assert not name.startswith(NOT_FOR_ACTIONS), f"{path.name} imports {name}"
        use_cases.add(name.split(".")[0])
    assert len(use_cases) == 1, f"{path.name} calls use cases of {sorted(use_cases)}"


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.stem)
def test_actions_import_at_the_top(path: Path) -> None:
    """They are loaded before Ansible forks; an import inside a function would be paid for by every host."""
    tree = ast.parse(path.read_text())
    everywhere = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))] == everywhere
    beyond = {name for name in _imports(path) if name.split(".")[0] not in sys.stdlib_module_names}
    # An error of Ansible's own, where a file is looked for in Ansible's way.
    assert {name for name in beyond if not name.startswith("ansible_collections.")} <= {"ansible.errors"}
