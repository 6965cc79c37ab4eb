# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is a directory: the steps run for real, in a real sh, against a tree that stands for / ."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step

HERE = Path(__file__).parent
SHELLS = [shell for shell in (("dash",), ("bash",), ("busybox", "sh")) if shutil.which(shell[0])]
SECURITYFS = "sys/kernel/security/apparmor"


class ConnectionLost(Exception):
    """The connection broke after a step."""


class TreeHost:
    """A fake `Host`. After each step the kernel looks at what was written to `.remove`.

    `lose_after`: the name of a step after which the connection is lost.
    """

    name = "tree"
    Lost = ConnectionLost

    def __init__(self, root: Path, shell: Sequence[str] = ("sh",)) -> None:
        self.root = root
        self.shell = shell
        self.round_trips = 0
        self.lose_after: str | None = None
        self.path = f"{HERE / 'bin'}:{os.environ['PATH']}"

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        self.round_trips += 1
        results = {step.name: Result(step.name, step.script, None) for step in steps}
        assert len(results) == len(steps), "two steps of one name"
        for step in steps:
            done = subprocess.run(
                [*self.shell, "-c", step.script],
                capture_output=True,
                env={"PATH": self.path, "LC_ALL": "C", "TREE": str(self.root)},
                stdin=subprocess.DEVNULL,
                check=False,
            )
            self._kernel_removes()
            out, err = done.stdout.decode(), done.stderr.decode()
            results[step.name] = Result(step.name, step.script, done.returncode, out, err)
            if step.name == self.lose_after:
                raise ConnectionLost(step.name)
            if step.required and done.returncode:
                break
        return results

    def _kernel_removes(self) -> None:
        remove = self.root / SECURITYFS / ".remove"
        if remove.exists() and remove.read_text():
            gone = remove.read_text()
            remove.write_text("")
            self.loaded = {
                name: mode for name, mode in self.loaded.items() if name != gone and not name.startswith(f"{gone}//")
            }

    @property
    def loaded(self) -> dict[str, str]:
        lines = (self.root / SECURITYFS / "profiles").read_text().splitlines()
        return {line.rpartition(" (")[0]: line.rpartition(" (")[2][:-1] for line in lines}

    @loaded.setter
    def loaded(self, profiles: Mapping[str, str]) -> None:
        text = "".join(f"{name} ({mode})\n" for name, mode in profiles.items())
        (self.root / SECURITYFS / "profiles").write_text(text)

    def files(self) -> dict[str, str]:
        """Return all that is under /etc: {path: text}; a link as `-> where it points`."""
        found = {}
        for path in sorted((self.root / "etc").rglob("*")):
            if path.is_symlink():
                found[str(path.relative_to(self.root))] = f"-> {path.readlink()}"
            elif path.is_file():
                found[str(path.relative_to(self.root))] = path.read_text()
        return found


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., TreeHost]:
    """Return what makes a host of {path: text}; a text `-> x` makes a symbolic link, None a directory."""

    def make(tree: Mapping[str, str | None], shell: Sequence[str] = ("sh",)) -> TreeHost:
        (tmp_path / "etc").mkdir()
        for name, text in {"proc/cmdline": "quiet\n", "proc/self/attr/current": "unconfined\n", **tree}.items():
            path = tmp_path / name
            if text is None:
                path.mkdir(parents=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                path.symlink_to(text[3:])
            else:
                path.write_text(text)
        return TreeHost(tmp_path, shell)

    return make


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> Sequence[str]:
    return tuple(request.param)


def apparmor_tree(loaded: Mapping[str, str], files: Mapping[str, str]) -> dict[str, str]:
    """Return the tree of a host that runs AppArmor. `files`: under /etc/apparmor.d."""
    return {
        "sys/module/apparmor/parameters/enabled": "Y\n",
        "sys/kernel/security/lsm": "lockdown,capability,yama,apparmor",
        f"{SECURITYFS}/profiles": "".join(f"{name} ({mode})\n" for name, mode in loaded.items()),
        f"{SECURITYFS}/.remove": "",
        **{f"etc/apparmor.d/{name}": text for name, text in files.items()},
    }


@pytest.fixture
def apparmor(build: Callable[..., TreeHost]) -> Callable[..., TreeHost]:
    """Return what makes a host with AppArmor: loaded profiles {name: mode}, files in /etc/apparmor.d {name: text}."""
    return lambda loaded, files, **tree: build({**apparmor_tree(loaded, files), **tree})
