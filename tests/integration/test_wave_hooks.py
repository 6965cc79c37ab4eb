# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of waves: real ansible-playbook runs, stand-ins for the hosts. What a hook does is to write a line."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from play import Play

Fleet = Callable[[int], Play]
NAMES = ("pre", "drain", "undrain", "post")
WAVES = [1, 2]


@pytest.fixture
def fleet(collections: Path, tmp_path: Path) -> Fleet:
    return lambda hosts: Play(collections, tmp_path, hosts)


def _hooks(play: Play, weight: int = 7, **orders: str) -> dict[str, Any]:
    """Write the four hooks; return the variables that name them. `pre` looks, and finds `weight`.

    `orders`: hook to what it does after it has noted that it was run: fail, hang (until killed), or wait (until
    `let_go` is there). With the number of a wave behind it, as in fail2, for that wave only.
    """
    note = "STATE WAVE of HOSTS weighs {{ flotilla_wave_saved.weight | default('?') }}"
    for name in NAMES:
        words = {"STATE": name, "WAVE": "{{ flotilla_wave.wave }}", "HOSTS": "{{ flotilla_wave.hosts | join('+') }}"}
        text = note
        for word, instead in words.items():
            text = text.replace(word, instead)
        what, only = orders.get(name, "nothing").rstrip("0123456789"), orders.get(name, "")[-1:]
        when = f"flotilla_wave.wave == {only}" if only.isdigit() else "true"
        act = {
            "nothing": "true",
            "fail": "exit 9",
            "hang": f"echo hangs >> {play.folder}/hooks; sleep 300",
            "wait": f"echo waits >> {play.folder}/hooks; until test -e {play.folder}/let_go; do sleep 0.1; done",
        }[what]
        controller = "  delegate_to: localhost\n  vars: {ansible_connection: local}\n"
        lines = (
            f"- name: Say so\n  ansible.builtin.shell: \"echo '{text}' >> {play.folder}/hooks\"\n{controller}"
            f"- name: Act\n  ansible.builtin.shell: \"{act}\"\n  when: {when}\n{controller}"
        )
        if name == "pre":
            lines += f"- name: Look\n  ansible.builtin.set_fact: {{flotilla_wave_saved: {{weight: {weight}}}}}\n"
        (play.folder / f"{name}.yml").write_text(f"---\n{lines}")
    return {
        **{f"upgrade_{name}_wave_tasks": str(play.folder / f"{name}.yml") for name in NAMES},
        "upgrade_waves": WAVES,
    }


def _said(play: Play) -> list[str]:
    path = play.folder / "hooks"
    return path.read_text().splitlines() if path.exists() else []


def test_once_before_the_first_host_and_once_after_the_last(fleet: Fleet) -> None:
    play = fleet(3)
    run = play.run(**_hooks(play), upgrade_max_unavailable=2)
    assert run.rc == 0, run.output
    first, second = (f"{wave} of {hosts} weighs" for wave, hosts in ((1, "h1"), (2, "h2+h3")))
    assert _said(play) == [
        f"{name} {wave} {weight}"
        for wave in (first, second)
        for name, weight in (("pre", "?"), ("drain", 7), ("undrain", 7), ("post", 7))
    ]
