# SPDX-License-Identifier: GPL-3.0-or-later
"""What Bottlerocket's API and signpost print: every sample, and thousands that are damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.bottlerocket import (
    Flags,
    Image,
    Os,
    Sets,
    Settings,
    Status,
    parse_known,
    parse_os,
    parse_sets,
    parse_settings,
    parse_status,
)

SAMPLES = Path(__file__).parents[2] / "fixtures/bottlerocket"
STATUSES = sorted(path.name for path in SAMPLES.glob("updates-status-*.json"))
OLD, NEW = (Image(version, "aws-k8s-1.31", "x86_64") for version in ("1.25.0", "1.26.1"))
MUTATIONS = 10_000


def _read(name: str) -> str:
    return (SAMPLES / name).read_text()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("available", Status("Available", ("1.26.1", "1.26.0", "1.25.0"), NEW, OLD, None, False)),
        ("idle-first-refresh", Status("Idle", ("1.26.1", "1.26.0"), None, NEW, None, False)),
        ("staged", Status("Staged", ("1.26.1", "1.25.0"), NEW, OLD, NEW, False)),
        ("ready", Status("Ready", ("1.26.1", "1.25.0"), NEW, OLD, NEW, True)),
    ],
)
def test_status(name: str, expected: Status) -> None:
    assert parse_status(_read(f"updates-status-{name}.json")) == expected


def test_status_says_why_the_last_command_failed() -> None:
    failure = parse_status(_read("updates-status-refresh-failed.json")).failure
    assert failure is not None
    assert failure.startswith("refresh: Metadata error: Failed to fetch https://updates.example.net/2020-07-07/")


def test_every_status_has_a_case() -> None:
    names = {"available", "idle-first-refresh", "staged", "ready", "refresh-failed"}
    assert {name.removeprefix("updates-status-").removesuffix(".json") for name in STATUSES} == names


def test_what_runs_and_what_is_followed() -> None:
    assert parse_os(_read("get-os.json")) == Os(OLD, "Bottlerocket OS 1.25.0 (aws-k8s-1.31)")
    assert OLD.name == "1.25.0-aws-k8s-1.31-x86_64"
    assert parse_settings(_read("get-settings-updates.json")) == Settings(
        "latest",
        "https://updates.example.net/2020-07-07/aws-k8s-1.31/x86_64/",
        "https://updates.example.net/targets/",
        False,
    )
    assert parse_settings('{"settings": {"updates": {"version-lock": "v1.26.1"}}}') == Settings(
        "v1.26.1", None, None, False
    )


def test_partition_sets() -> None:
    text = _read("signpost-status.txt")
    assert parse_sets(text) == Sets(Flags(2, 0, True), Flags(0, 0, False), False)
    turned = text.replace("Active:  Set A", "Active:  Set B")
    assert parse_sets(turned) == Sets(Flags(0, 0, False), Flags(2, 0, True), True)
    assert not parse_sets(text.replace("Next:    Set A", "Next:    None")).inactive_next


def test_record() -> None:
    assert parse_known("") is None
    assert parse_known("1.25.0 aws-k8s-1.31 x86_64\n1.26.1 aws-k8s-1.31 x86_64\n") == (OLD, NEW)
    for text in ("1.25.0 aws x86_64\n", "a b c\nd e f\n", "1.25.0 aws\n1.26.1 aws\n"):
        with pytest.raises(CannotParse, match="cannot parse the record of what was staged on the host"):
            parse_known(text)


def _same(image: Image | None, shown: Any) -> bool:
    if image is None or shown is None:
        return image is shown
    return (image.version, image.variant, image.arch) == (shown["version"], shown["variant"], shown["arch"])


def _right(status: Status, text: str) -> bool:
    """Tell whether a status is what the document says, read without any of our code."""
    shown = json.loads(text)
    staging, active = shown["staging_partition"], shown["active_partition"]
    return (
        status.state == shown["update_state"]
        and list(status.available) == shown["available_updates"]
        and _same(status.chosen, shown["chosen_update"])
        and _same(status.active, active and active["image"])
        and _same(status.staging, staging and staging["image"])
        and status.next is bool(staging and staging["next_to_boot"])
    )


def test_damaged_status_is_read_as_it_stands_or_refused() -> None:
    read = 0
    for name in STATUSES:
        for text in mutations(_read(name), seed=len(name), count=MUTATIONS // len(STATUSES)):
            try:
                status = parse_status(text)
            except CannotParse as exc:
                assert exc.message.startswith("cannot parse the update status of Bottlerocket: ")
                continue
            read += 1
            assert _right(status, text), text
    assert read


@pytest.mark.parametrize(
    ("name", "parse", "what"),
    [
        ("get-os.json", parse_os, "the output of `apiclient get os`"),
        ("get-settings-updates.json", parse_settings, "the output of `apiclient get settings.updates`"),
    ],
)
def test_damaged_answer_is_read_as_it_stands_or_refused(name: str, parse: Callable[[str], Any], what: str) -> None:
    read = 0
    for text in mutations(_read(name), seed=len(name), count=MUTATIONS):
        try:
            found = parse(text)
        except CannotParse as exc:
            assert exc.message.startswith(f"cannot parse {what}: ")
            continue
        read += 1
        shown = json.loads(text)
        if isinstance(found, Os):
            assert _same(found.image, {key.removesuffix("_id"): value for key, value in shown["os"].items()})
        else:
            updates = shown["settings"]["updates"]
            assert (found.lock, found.metadata) == (updates["version-lock"], updates.get("metadata-base-url"))
    assert read


def test_damaged_sets_are_read_as_they_stand_or_refused() -> None:
    read = 0
    for text in mutations(_read("signpost-status.txt"), seed=1, count=MUTATIONS):
        try:
            sets = parse_sets(text)
        except CannotParse as exc:
            assert exc.message.startswith("cannot parse the output of `signpost status`: ")
            continue
        read += 1
        active = re.findall(r"^Active: +Set (.)$", text, re.MULTILINE)[0]
        shown = re.findall(rf"^Set {active}:.* priority=(\d+) tries_left=(\d+) successful=(\w+)$", text, re.MULTILINE)
        assert shown == [(str(sets.active.priority), str(sets.active.tries), str(sets.active.successful).lower())]
    assert read


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda status: status.update(update_state="Resting"), "unknown state"),
        (lambda status: status.update(staging_partition=None), "it is Ready, and no image is in staging_partition"),
        (lambda status: status["staging_partition"].update(next_to_boot=False), "next_to_boot says something else"),
        (lambda status: status["active_partition"].update(next_to_boot=True), "next_to_boot says something else"),
        (lambda status: status.update(update_state="Staged"), "next_to_boot says something else"),
        (lambda status: status.pop("chosen_update"), "it has no chosen_update"),
        (lambda status: status["chosen_update"].update(version="newest"), "unknown form, at 'newest'"),
        (lambda status: status["active_partition"]["image"].pop("arch"), "active_partition.image.arch is missing"),
        (lambda status: status["most_recent_command"].pop("cmd_status"), "most_recent_command.cmd_status is missing"),
    ],
)
def test_status_that_contradicts_itself_is_refused(change: Callable[[Any], Any], cause: str) -> None:
    status = json.loads(_read("updates-status-ready.json"))
    change(status)
    with pytest.raises(CannotParse, match=cause):
        parse_status(json.dumps(status))


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ("Set B:", "Set A:", "one set is there twice"),
        ("priority=2", "priority=16", "impossible"),
        ("successful=true", "successful=maybe", "unknown or cut off"),
        ("Next:    Set A", "", "unknown or cut off"),
    ],
)
def test_sets_that_are_refused(before: str, after: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_sets(_read("signpost-status.txt").replace(before, after))
