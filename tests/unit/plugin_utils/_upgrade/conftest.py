# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the `ostree` kind for the use cases: it answers the probes from what it is, and knows a few steps.

A step that it does not know is an error: nothing happens on a host that the test does not expect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from clock import Clock

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result, Step, Unreachable

OLD, NEW = "a" * 64, "b" * 64
# On a host of another kind, the probes of a driver end with this exit code.
NOT_HERE = 3
OTHER_DRIVERS = tuple(driver.name for driver in DRIVERS if driver.name != "ostree")
PROBES = ("mac.", "ostree.", "updater", "jobs", "cmdline", "os", "guard", "boot_id")


@dataclass
class FakeHost:
    """`lines` are (mark, digest, serial, position) in boot order. `acts`: what a step does, by its name."""

    lines: list[tuple[str, str, int, str]] = field(default_factory=lambda: [("*", OLD, 0, "")])
    boot_id: str = "boot-0"
    guard: dict[str, str] = field(default_factory=dict)
    acts: dict[str, Callable[[FakeHost], Result | None]] = field(default_factory=dict)
    away: int = 0  # how many attempts find nobody
    name: str = "h1"
    ran: list[str] = field(default_factory=list)
    round_trips: int = 0
    channel: str = "stable"
    said: list[str] = field(default_factory=list)
    limits: list[float | None] = field(default_factory=list)

    def run(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result]:
        self.round_trips += 1
        self.limits.append(limit)
        results = {}
        for step in steps:
            if not step.name.removeprefix("offer.").startswith((*PROBES, *OTHER_DRIVERS)) or step.name in self.acts:
                self.ran.append(step.name)
            results[step.name] = self._answer(step)
            if step.required and results[step.name].rc != 0:
                break
        return {step.name: results.get(step.name, Result(step.name, step.script, None)) for step in steps}

    def attempt(self, steps: Sequence[Step], limit: float | None = None) -> dict[str, Result] | Unreachable:
        if self.away > 0:
            self.away -= 1
            return Unreachable("no route to host")
        return self.run(steps, limit)

    def _answer(self, step: Step) -> Result:
        if step.name in self.acts:
            return self.acts[step.name](self) or Result(step.name, step.script, 0)
        if step.name == "fresh":
            return Result("fresh", step.script, 9 if f"!= {self.boot_id} " in step.script else 0)
        if step.name.removeprefix("offer.").startswith(OTHER_DRIVERS):
            return Result(step.name, step.script, NOT_HERE)
        assert step.name.startswith(PROBES), f"unexpected step {step.name}"
        return Result(step.name, step.script, 0, self._shown(step.name))

    def _shown(self, name: str) -> str:
        if name == "ostree.status":
            return "".join(
                f"{mark or ' '} lab {digest}.{serial}{f' ({position})' if position else ''}\n    Version: {digest[0]}\n"
                f"    origin refspec: lab:{self.channel}\n"
                for mark, digest, serial, position in self.lines
            )
        if name == "ostree.remotes":
            return '\n@@flotilla-file /etc/ostree/remotes.d/lab.conf\n[remote "lab"]\nurl=http://repo/\n'
        if name == "guard" and self.guard:
            return "".join(f"\n@@flotilla-file /g/{name}\n{text}" for name, text in self.guard.items())
        return {"boot_id": self.boot_id, "os": "ID=lab\n", "cmdline": "quiet\n"}.get(name, "")

    def arm(self, on_trial: bool) -> None:
        self.guard = {
            "armed": f"target={NEW}.0\ntarget_digest={NEW}\nrollback_to={OLD}.0\n"
            "confirm_within=60\narmed_at=1\ncovers=boot\n"
        }
        if on_trial:
            self.guard["trial"] = f"boot_id={self.boot_id}\nbooted_at=10\n"

    def say(self, message: str) -> None:
        self.said.append(message)

    def forget_connection(self) -> None:
        pass

    def read(self, path: str) -> str | None:
        raise AssertionError(path)

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        raise AssertionError(path)


STAGED = [(" ", NEW, 0, "staged"), ("*", OLD, 0, "")]
BOOTED = [("*", NEW, 0, ""), (" ", OLD, 0, "rollback")]


BOOTS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(4)]


@dataclass
class FakeTalos(FakeHost):
    """A host without a shell and without a place for a guard: the steps run on the controller."""

    runs: str = "v1.13.2"
    record: str = ""
    ready: bool = True
    image: str = "ghcr.io/siderolabs/installer:v1.14.0"
    boot_id: str = BOOTS[0]

    def _answer(self, step: Step) -> Result:
        if step.name in self.acts:
            return self.acts[step.name](self) or Result(step.name, step.script, 0)
        if step.name == "fresh":
            return Result("fresh", step.script, 9 if f"!= {self.boot_id} " in step.script else 0)
        name = step.name.removeprefix("talos.") if step.name.startswith("talos.") else ""
        if step.name == "offer.talos":
            name = "image"
        if not name:
            # What the controller says of itself: an OS that is updated with ostree, and work of others.
            return Result(
                step.name, step.script, 0, {"boot_id": "controller", "jobs": "another's work"}.get(step.name, "")
            )
        status = {
            "ready": self.ready,
            "unmetConditions": [] if self.ready else [{"name": "services", "reason": "none"}],
        }
        shown = {
            "boot_id": self.boot_id,
            "version": json.dumps({"version": {"tag": self.runs}}),
            "machine": json.dumps({"spec": {"stage": "running", "status": status}}),
            "security": json.dumps({"spec": {"selinuxState": "disabled"}}),
            "cmdline": "talos.platform=metal",
            "os": "ID=talos\n",
            "image": self.image,
            "record": json.dumps({"spec": {"value": f"flotilla {self.record}"}}) if self.record else "",
        }
        return Result(step.name, step.script, 0, shown.get(name, ""))


@pytest.fixture
def talos() -> FakeTalos:
    return FakeTalos(record=f"installed v1.13.2 v1.14.0 {BOOTS[0]}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def steady() -> FakeHost:
    return FakeHost()


@pytest.fixture
def staged() -> FakeHost:
    return FakeHost(lines=list(STAGED))


@pytest.fixture
def trial() -> FakeHost:
    host = FakeHost(lines=list(BOOTED), boot_id="boot-1")
    host.arm(on_trial=True)
    return host
