# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a machine to the state that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .._errors import FlotillaError, Refused
from .._model.outcome import Outcome
from ._protocol import Machine, MachineWish, Provider
from .qemu import CONSOLE

# How long (s) an OS may take to shut down before its power is cut.
SHUTDOWN_TIME = 90


def run(provider: Provider, wish: MachineWish, timeout: float, say: Callable[[str], None], check: bool) -> Outcome:
    """Have the machine run and answer. Raises Refused, FlotillaError."""
    before = provider.observe(wish.name, wish.directory)
    changed = before.state != "running"
    if not changed and before.definition != provider.definition(wish):
        raise Refused(
            f"cannot change machine {wish.name}: it runs with another definition (memory, port, keys, options); "
            "stop it first"
        )
    if changed:
        provider.refuse(wish)
    if check:
        return _outcome(wish, before, before if not changed else Machine(wish.name, "running"), "would run")
    if changed:
        # Pinned before the machine is switched on for the first time.
        known_hosts(wish)
        say("starting")
        provider.start(wish)
    provider.wait(wish, timeout, say)
    return _outcome(wish, before, provider.observe(wish.name, wish.directory), "runs")


def end(provider: Provider, name: str, directory: Path, state: str, check: bool) -> Outcome:
    """Bring the machine to `state`: stopped, powered_off (at once, as by a power cut), or absent."""
    before = provider.observe(name, directory)
    wanted = "absent" if state == "absent" else "off"
    if before.state in (wanted, "absent") and not (wanted == "absent" and directory.exists()):
        return _ended(before, before, f"{name} is {before.state} already")
    if not check:
        if state == "absent":
            provider.remove(before, directory)
        elif state == "powered_off":
            provider.power_off(before, directory)
        else:
            provider.shut_down(before, directory, SHUTDOWN_TIME)
    return _ended(before, Machine(name, wanted), f"{name} {'would be' if check else 'is'} {wanted}")


def snapshot(provider: Provider, name: str, directory: Path, verb: str, label: str, check: bool) -> Outcome:
    """Save a running machine with its memory, or restore what was saved; verb: saved, restored."""
    machine = provider.observe(name, directory)
    if machine.state != "running":
        raise Refused(f"cannot have machine {name} {verb}: it is {machine.state}")
    if not check:
        (provider.save if verb == "saved" else provider.restore)(machine, directory, label)
    return Outcome(True, f"{name} {verb}: {label}", returns={"machine": {"name": name, "state": "running"}})


def known_hosts(wish: MachineWish) -> Path:
    """Write the one line that pins the machine's host key; return the file."""
    kind, key = wish.seed.host_key_public.split()[:2]
    path = wish.directory / "known_hosts"
    line = f"[127.0.0.1]:{wish.ssh_port} {kind} {key}\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != line:
        try:
            wish.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_name("known_hosts.new")
            fresh.write_text(line, encoding="utf-8")
            fresh.replace(path)
        except OSError as exc:
            raise FlotillaError(f"cannot write {path}: {exc.strerror}") from exc
    return path


def _outcome(wish: MachineWish, before: Machine, after: Machine, verb: str) -> Outcome:
    shown = {
        "name": wish.name,
        "state": after.state,
        "pid": after.pid,
        "ssh_host": "127.0.0.1",
        "ssh_port": wish.ssh_port,
        "console": str(wish.directory / CONSOLE),
        "known_hosts": str(wish.directory / "known_hosts"),
    }
    return Outcome(
        before.state != after.state,
        f"{wish.name} {verb}",
        returns={"machine": shown},
        before={"state": before.state},
        after={"state": after.state},
    )


def _ended(before: Machine, after: Machine, why: str) -> Outcome:
    return Outcome(
        before.state != after.state,
        why,
        returns={"machine": {"name": after.name, "state": after.state}},
        before={"state": before.state},
        after={"state": after.state},
    )
