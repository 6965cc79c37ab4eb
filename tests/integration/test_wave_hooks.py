# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of waves: real ansible-playbook runs, stand-ins for the hosts. What a hook does is an event like theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from play import Play, copy_collection

Fleet = Callable[[int], Play]
NAMES = ("pre", "drain", "undrain", "post")
# What is done after the event was noted, in the directory of the play.
ACTS = {
    "nothing": "true",
    "fail": "echo the scheduler is away >&2; exit 9",
    "hang": "sleep 300",
    "wait": "until test -e let_go; do sleep 0.1; done",
}
HOOK = """---
- name: Say so
  ansible.builtin.shell:
    cmd: |
      echo '{{{{ {{"host": "wave %d" % flotilla_wave.wave,
                  "event": "{name} %d" % flotilla_wave_saved.weight | default(0)}} | to_json }}}}' >> events.jsonl
    chdir: {folder}
  delegate_to: localhost
  vars: {{ansible_connection: local}}

- name: Act
  ansible.builtin.shell:
    cmd: "{act}"
    chdir: {folder}
  when: {when}
  delegate_to: localhost
  vars: {{ansible_connection: local}}
"""
LOOK = """
- name: Look
  ansible.builtin.set_fact: {{flotilla_wave_saved: {{weight: {weight}}}}}
"""


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Less in a hurry than the others: between a hook and the next question nothing moves."""
    folder = tmp_path_factory.mktemp("collections")
    copy_collection(folder)
    conduct = folder / "ansible_collections/flotilla/container_os/plugins/plugin_utils/_rollout/conduct.py"
    text = conduct.read_text()
    assert "STALLED_AFTER = 3.0" in text
    conduct.write_text(text.replace("STALLED_AFTER = 3.0", "STALLED_AFTER = 60.0"))
    return folder


@pytest.fixture
def fleet(collections: Path, tmp_path: Path) -> Fleet:
    return lambda hosts: Play(collections, tmp_path, hosts)


def _hooks(play: Play, weight: int = 7, **orders: tuple[str, int]) -> dict[str, Any]:
    """Write the four hooks; return the variables that name them. `pre` looks, and finds `weight`.

    `orders`: hook to what it does (see ACTS), and in which wave.
    """
    for name in NAMES:
        what, wave = orders.get(name, ("nothing", 0))
        when = f"flotilla_wave.wave == {wave}"
        text = HOOK.format(name=name, folder=play.folder, act=ACTS[what], when=when)
        (play.folder / f"{name}.yml").write_text(text + (LOOK.format(weight=weight) if name == "pre" else ""))
    files = {f"upgrade_{name}_wave_tasks": str(play.folder / f"{name}.yml") for name in NAMES}
    return {**files, "upgrade_waves": [1, 2], "upgrade_max_unavailable": 2}


def _seen(play: Play) -> list[str]:
    """Return the events of the hooks, and which hosts went down."""
    return [
        f"{host} {event}" if host.startswith("wave") else f"{host} down"
        for host, event in play.events()
        if host.startswith("wave") or event == "down"
    ]


def _around(wave: int, *hosts: str, weight: int = 7) -> list[str]:
    before = [f"wave {wave} pre 0", f"wave {wave} drain {weight}"]
    after = [f"wave {wave} undrain {weight}", f"wave {wave} post {weight}"]
    return [*before, *(f"{host} down" for host in hosts), *after]


def _in_order(seen: list[str]) -> list[str]:
    """Return what was seen with h2 before h3, which go at once."""
    names = iter(sorted(one for one in seen if one in ("h2 down", "h3 down")))
    return [next(names) if one in ("h2 down", "h3 down") else one for one in seen]


def test_before_the_first_host_and_after_the_last(fleet: Fleet) -> None:
    play = fleet(3)
    run = play.run(**_hooks(play))
    assert run.rc == 0, run.output
    assert _in_order(_seen(play)) == [*_around(1, "h1"), *_around(2, "h2", "h3")], run.output


def test_two_runs_at_once_run_each_hook_once(fleet: Fleet) -> None:
    play = fleet(3)
    hooks = _hooks(play, drain=("wait", 1))
    first, second = play.start(**hooks), play.start(**hooks)
    play.wait_for("drain 7", first)
    (play.folder / "let_go").touch()
    runs = [play.end(first), play.end(second)]
    output = runs[0].output + runs[1].output
    assert play.versions() == dict.fromkeys(play.hosts, "2"), output
    assert _in_order(_seen(play)) == [*_around(1, "h1"), *_around(2, "h2", "h3")], output


@pytest.mark.parametrize(("hook", "weight"), [("pre", 5), ("drain", 7)])
def test_killed_in_a_hook_and_run_again(fleet: Fleet, hook: str, weight: int) -> None:
    """What was on record before the kill is what is brought back; nobody looks again."""
    play = fleet(3)
    play.kill_when(f"{hook} {0 if hook == 'pre' else 7}", **_hooks(play, **{hook: ("hang", 1)}))
    assert play.those_that("down") == []
    play.forget_events()
    run = play.run(**_hooks(play, weight=5))
    assert run.rc == 0, run.output
    again = _around(1, "h1", weight=weight)[0 if hook == "pre" else 1 :]
    assert _in_order(_seen(play)) == [*again, *_around(2, "h2", "h3", weight=5)], run.output


def test_wave_that_cannot_be_prepared_is_not_touched(fleet: Fleet) -> None:
    play = fleet(3)
    run = play.run(**_hooks(play, drain=("fail", 2)))
    assert run.rc != 0
    assert "cannot prepare wave 2: " in run.output
    assert play.phases() == {"h1": "confirmed", "h2": "staged", "h3": "staged"}
    # What the hook may have done before it failed is given back at the end of the run.
    assert _seen(play) == [*_around(1, "h1"), *_around(2)], run.output
    play.forget_events()
    again = play.run(**_hooks(play))
    assert again.rc == 0, again.output
    assert _in_order(_seen(play)) == _around(2, "h2", "h3")


def test_wave_that_cannot_be_given_back_holds_the_next(fleet: Fleet) -> None:
    play = fleet(3)
    run = play.run(**_hooks(play, post=("fail", 1)))
    assert run.rc != 0
    assert "cannot give back wave 1: " in run.output
    assert play.phases() == {"h1": "confirmed", "h2": "staged", "h3": "staged"}
    assert "wave 2" not in " ".join(_seen(play))
    play.forget_events()
    again = play.run(**_hooks(play, weight=5))
    assert again.rc == 0, again.output
    assert _in_order(_seen(play)) == [*_around(1)[2:], *_around(2, "h2", "h3", weight=5)], again.output


def test_wave_that_ends_badly_is_given_back_at_the_end_of_the_run(fleet: Fleet) -> None:
    """Also those that are brought back are within the hooks of their wave."""
    play = fleet(2)
    play.order(h2=("verdict", "sick"))
    run = play.run(**_hooks(play), upgrade_on_failure="rollback_all")
    assert run.rc != 0
    assert play.versions() == dict.fromkeys(play.hosts, "1"), run.output
    assert _seen(play) == [*_around(1, "h1"), *_around(2, "h2", "h2"), *_around(1, "h1")], run.output


def test_wave_of_a_dead_run_is_given_back_by_one_that_is_refused(fleet: Fleet) -> None:
    play = fleet(3)
    run = play.start(**_hooks(play, drain=("hang", 1)))
    play.wait_for("drain 7", run)
    halted = play.end(play.start(playbook="halt", why="the storage is degraded"))
    assert halted.rc == 0, halted.output
    play.kill(run)
    play.forget_events()
    refused = play.run(**_hooks(play, weight=5))
    assert refused.rc != 0
    assert "cannot go on with rollout upgrade: halted by" in refused.output
    assert _seen(play) == _around(1)[2:], refused.output
