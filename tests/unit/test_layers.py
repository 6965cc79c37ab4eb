# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers: who may import whom (docs/concepts.md). Read from the imports, not from good intentions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UTILS = ROOT / "plugins/plugin_utils"
PREFIX = "ansible_collections.flotilla.container_os.plugins.plugin_utils."
# The only two files that know Ansible: one touches connections, one is the base of all actions.
KNOW_ANSIBLE = {"_host.py", "_action.py"}

# Folder or file to the folders and files that it may import from, beside itself.
_BASE = {"_errors", "_model"}
ALLOWED = {
    "_errors": set(),
    "_model": {"_errors"},
    "_parsers": _BASE,
    "_drivers": _BASE | {"_parsers"},
    "_guard": _BASE | {"_drivers._protocol"},
    "_mac": _BASE | {"_parsers"},
    "_health": _BASE | {"_parsers", "_mac"},
    "_provision": _BASE,
    "_jobs": _BASE | {"_parsers"},
    "_host": _BASE | {"_parsers"},
    "_action": _BASE | {"_host"},
    "_upgrade": _BASE | {"_parsers", "_drivers._protocol", "_drivers.registry", "_guard", "_jobs", "_mac"},
    "_rollout": _BASE | {"_health"},
    "_preflight": _BASE | {"_rollout", "_upgrade", "_drivers._protocol"},
}
FILES = sorted(path for path in UTILS.rglob("*.py") if path.name != "__init__.py")


def _imports(path: Path) -> set[str]:
    """Return the modules that a file imports, ours as paths from plugin_utils ("_model.host")."""
    found: set[str] = set()
    inside = [*path.relative_to(UTILS).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = inside[: len(inside) - node.level + 1]
            found.add(".".join([*base, *(node.module or "").split(".")]))
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(UTILS)))
def test_layer(path: Path) -> None:
    layer = path.relative_to(UTILS).parts[0].removesuffix(".py")
    assert layer in ALLOWED, f"{layer} has no place in the table of layers"
    for name in _imports(path):
        assert not name.startswith(PREFIX), f"{name}: import relatively within plugin_utils"
        if name.split(".")[0] == "ansible":
            assert path.name in KNOW_ANSIBLE, f"{path.name} must not know Ansible"
        if not name.startswith("_") or name == "__future__":
            continue
        top = name.split(".")[0]
        allowed = ALLOWED[layer] | {layer}
        assert top in allowed or any(name.startswith(one) for one in allowed if "." in one), f"{layer} imports {name}"


@pytest.mark.parametrize("path", sorted((UTILS / "_drivers").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_drivers_do_not_know_each_other(path: Path) -> None:
    others = {name for name in _imports(path) if name.startswith("_drivers.")} - {"_drivers._protocol"}
    if path.stem != "registry":
        assert not others


@pytest.mark.parametrize("path", sorted((ROOT / "plugins/action").glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_actions_are_thin(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 80
    for name in _imports_of_action(path):
        part = name.removeprefix(PREFIX)
        assert not part.startswith(("_parsers", "_host", "_jobs", "_guard")), f"{path.name} imports {part}"
        assert not part.startswith("_drivers") or part == "_drivers._protocol", f"{path.name} imports {part}"


def _imports_of_action(path: Path) -> set[str]:
    return {
        str(node.module)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PREFIX)
    }
