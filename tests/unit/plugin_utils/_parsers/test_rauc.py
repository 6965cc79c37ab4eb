# SPDX-License-Identifier: GPL-3.0-or-later
"""What RAUC says of slots and bundles: every recording of three versions, and thousands that are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.rauc import (
    Bundle,
    Seen,
    Slot,
    parse_offer,
    parse_operation,
    parse_seen,
    parse_status,
)

RECORDED = Path(__file__).parents[2] / "fixtures/rauc"
CASES: dict[str, dict[str, Any]] = json.loads((RECORDED / "cases.json").read_text())
INFOS = sorted(path.name for path in (RECORDED / "info").glob("plain-*.json"))
MUTATIONS = 10_000
A, B = "a" * 64, "b" * 64
SEEN = (
    f"running=A\nfirst=B\nstaged=B.{B}\nversion=2026.10-1\nslot=A {A}\nslot=B {B}\nslot=R \nfactory=A {A} 2026.10-1\n"
)


def _read(name: str) -> str:
    return (RECORDED / name).read_text()


def _slot(bootname: str, about: list[Any]) -> Slot:
    name, booted, health, version, digest, installed = about
    return Slot(name, bootname, booted, health == "good", version, digest, installed)


def test_every_recorded_status_has_a_case() -> None:
    assert {path.name for path in (RECORDED / "status").iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_recorded_status(name: str) -> None:
    status, case = parse_status(_read(f"status/{name}")), CASES[name]
    assert (status.compatible, status.booted, status.primary) == ("Example Board", case["booted"], case["primary"])
    assert {slot.bootname: slot for slot in status.slots} == {
        bootname: _slot(bootname, about) for bootname, about in case["slots"].items()
    }


def test_damaged_status_is_read_as_it_stands_or_refused() -> None:
    read = 0
    for name in CASES:
        for text in mutations(_read(f"status/{name}"), seed=len(name), count=MUTATIONS // len(CASES) + 1):
            try:
                status = parse_status(text)
            except CannotParse as exc:
                assert str(exc).startswith("cannot parse the output of `rauc status`: ")
                continue
            read += 1
            shown = json.loads(text)
            assert status.booted == shown.get("booted")
            assert status.primary == shown.get("boot_primary")
            entries = {key: about for entry in shown["slots"] for key, about in entry.items()}
            for slot in status.slots:
                assert entries[slot.name]["bootname"] == slot.bootname
                assert (entries[slot.name]["state"] == "booted") == slot.booted
                assert slot.digest is None or slot.digest in text
    assert read


def _changed(**changes: Any) -> str:
    document = json.loads(_read("status/booted-b-1.13.json"))
    name = next(key for key in document["slots"][0])
    for key, value in changes.items():
        (document if key in document else document["slots"][0][name])[key] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"booted": "A"}, "booted is A, and the slots say B"),
        ({"boot_primary": "rootfs.7"}, "boot_primary is rootfs.7, which is no slot that boots"),
        ({"state": "dreaming"}, "the state of rootfs.1 is unknown"),
        ({"boot_status": "fair"}, "the boot_status of rootfs.1 is unknown"),
        ({"bootname": "A"}, "two slots have one bootname"),
        ({"slot_status": {"bundle": {"hash": "beef"}}}, "the hash of rootfs.1 is none"),
        ({"slots": {}}, "slots is no list"),
        ({"slots": [{}]}, "a slot has not one name"),
        ({"compatible": ""}, "it has no compatible"),
    ],
)
def test_status_that_makes_no_sense(changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_status(_changed(**changes))


def test_not_detailed_is_not_taken_for_never_installed() -> None:
    document = json.loads(_changed())
    del document["slots"][0]["rootfs.1"]["slot_status"]
    with pytest.raises(CannotParse, match="rootfs.1 has no slot_status"):
        parse_status(json.dumps(document))


def test_system_from_elsewhere_and_state_that_is_unknown() -> None:
    status = parse_status(_changed(booted="_external_", state="inactive", boot_status="unknown", boot_primary=None))
    assert (status.booted, status.primary, status.slots[0].good) == (None, None, None)


def test_slot_that_is_being_written_holds_nothing_yet() -> None:
    text = _read("status/after-install-1.13.json")
    assert [slot.digest for slot in parse_status(text.replace('"ok"', '"update"')).slots] == [None, None]


# -- the bundle


@pytest.mark.parametrize("name", INFOS)
def test_recorded_bundle(name: str) -> None:
    said = json.loads(_read(f"info/{name}"))
    image = said["images"][0]["rootfs"]["checksum"]
    names = (said["hash"], image) if "hash" in said else (image,)
    assert parse_offer(f"rootfs\n{_read(f'info/{name}')}") == Bundle("Example Board", "2026.11-1", names)


def test_damaged_bundle_is_read_as_it_stands_or_refused() -> None:
    for name in INFOS:
        for text in mutations(f"rootfs\n{_read(f'info/{name}')}", seed=len(name), count=MUTATIONS // len(INFOS) + 1):
            try:
                bundle = parse_offer(text)
            except CannotParse as exc:
                assert str(exc).startswith("cannot parse the output of `rauc info`: ")
                continue
            assert all(digest in text for digest in bundle.names)
            assert json.dumps(bundle.version, ensure_ascii=False)[1:-1] in text or "\\" in text


def test_bundle_without_an_image_for_the_slot() -> None:
    with pytest.raises(CannotParse, match="no image for slots of class 'bootfs'"):
        parse_offer(f"bootfs\n{_read('info/plain-1.13.json')}")


# -- the service, and what is seen on the host


def test_operation() -> None:
    assert parse_operation('{"type":"s","data":"idle"}\n') is None
    assert parse_operation('{"type":"s","data":"installing"}\n') == "installing"
    for text in ("", '{"type":"s"}', '{"type":"s","data":4}', "[]"):
        with pytest.raises(CannotParse, match="cannot parse what RAUC's service is doing"):
            parse_operation(text)


def test_damaged_operation_is_refused_or_tells_what_stands_there() -> None:
    for text in mutations('{"type":"s","data":"installing"}\n', seed=5, count=MUTATIONS):
        try:
            operation = parse_operation(text)
        except CannotParse:
            continue
        # Never taken for idle.
        assert operation is not None


def test_seen() -> None:
    wanted = Seen("A", "B", f"B.{B}", "2026.10-1", {"A": A, "B": B}, {"A": (A, "2026.10-1")})
    assert parse_seen(SEEN) == wanted
    assert parse_seen("running=\nfirst=\nstaged=\nversion=\n") == Seen(None, None, None, None, {}, {})


def test_damaged_sight_is_read_as_it_stands_or_refused() -> None:
    for text in mutations(SEEN, seed=6, count=MUTATIONS):
        try:
            seen = parse_seen(text)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse what is known of the slots: ")
            continue
        assert all(f"slot={name} {digest}" in text for name, digest in seen.digests.items())
        assert f"running={seen.running or ''}" in text
        assert f"staged={seen.staged or ''}" in text
