# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of image sets, what a store shows, what a kernel was booted from; and thousands that are damaged."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers import boot_image as driver
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.boot_image import (
    LINKS,
    Manifest,
    parse_image,
    parse_manifest,
    parse_store,
)

FIXTURES = Path(__file__).parents[2] / "fixtures/boot_image"
STAGE = Path(driver.__file__).with_name("boot_image_stage.sh").read_text()
CASES: dict[str, Any] = json.loads((FIXTURES / "cases.json").read_text())
MUTATIONS = 10_000
A, B, C = "a" * 64, "b" * 64, "c" * 64
MANIFEST = (FIXTURES / "manifests/pxe").read_text()


def _manifest(name: str) -> str:
    return (FIXTURES / "manifests" / name).read_text()


def test_every_manifest_has_a_case() -> None:
    assert {path.name for path in (FIXTURES / "manifests").iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_manifest(name: str) -> None:
    wanted = CASES[name]
    if isinstance(wanted, str):
        with pytest.raises(CannotParse, match=wanted):
            parse_manifest(_manifest(name))
        return
    version, built, files, cmdline = wanted
    assert parse_manifest(_manifest(name)) == Manifest(version, built, tuple(map(tuple, files)), cmdline)


def _well_formed(*texts: str) -> list[bool]:
    """What the boot server makes of each text, which it reads without Python."""
    loop = 'while IFS= read -r -d "" text; do printf %s "$text" >"$f"; well_formed "$f" && echo yes || echo no; done'
    argv = ["bash", "-c", f'{STAGE}\nf=$(mktemp); trap "rm -f $f" EXIT; export LC_ALL=C\n{loop}']
    done = subprocess.run(argv, input="\0".join((*texts, "")), capture_output=True, text=True, check=True)
    return [line == "yes" for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("empty", "cut-off", "name-twice")])
def test_the_boot_server_reads_it_alike(name: str) -> None:
    assert _well_formed(_manifest(name)) == [not isinstance(CASES[name], str)]


def test_damaged_manifest_is_read_as_it_stands_or_refused() -> None:
    read, accepted = 0, []
    for text in mutations(MANIFEST, seed=1, count=MUTATIONS):
        try:
            manifest = parse_manifest(text)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse the manifest of an image set: ")
            continue
        read += 1
        accepted.append(text)
        assert f"version {manifest.version}\n" in text
        assert int(text.split("built ")[1].split("\n")[0]) == manifest.built
        assert all(f"{kind} {digest} {name}\n" in text for kind, digest, name in manifest.files)
        assert "flotilla.image=" not in manifest.cmdline
    assert 0 < read < MUTATIONS
    # What we take the boot server takes, or there would be offers that cannot be staged.
    assert all(_well_formed(*accepted[:50]))


def _store(**words: str) -> str:
    files = "".join(f"\n{FILE_MARK}{digest}/manifest\n{MANIFEST}" for digest in (A, B))
    head = "".join(f"{key}={value}\n" for key, value in words.items())
    return f"name=live1\nreset=yes\nbusy=\n{head}shown=all\n{files}\n{FILE_MARK}{B}/verified\ngpg\n"


def test_store() -> None:
    text = _store(current=A, next=B, watching="yes", keys=C, channel_name="stable", channel_source="http://x/y")
    store = parse_store(text)
    assert (store.name, store.reset, store.busy, store.keys, store.watching) == ("live1", "yes", None, C, True)
    assert store.links == {"current": A, "next": B}
    assert store.channel == {"name": "stable", "source": "http://x/y"}
    assert store.manifests[B] == parse_manifest(MANIFEST)
    assert store.verified == {B: "gpg"}
    empty = parse_store("name=live1\nreset=\nbusy=\nshown=all\n")
    assert (empty.links, empty.channel, empty.reset, empty.watching) == ({}, {}, "", False)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it is cut off"),
        ("name=live1\nreset=yes\n", "it is cut off"),
        (_store(current="../x"), "current leads to no image set"),
        (_store(previous=C), "the set of previous has no manifest"),
    ],
)
def test_what_is_no_store(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=f"cannot parse what the boot server holds: {cause}"):
        parse_store(text)


def test_damaged_store_is_read_as_it_stands_or_refused() -> None:
    text = _store(current=A, previous=B, channel_name="stable", watching="yes")
    read = 0
    for variant in mutations(text, seed=2, count=MUTATIONS):
        try:
            store = parse_store(variant)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse ")
            continue
        read += 1
        for link, digest in store.links.items():
            assert link in LINKS
            assert f"{link}={digest}\n" in variant
            assert f"{digest}/manifest" in variant
    assert read


def test_image_of_the_running_kernel() -> None:
    line = (FIXTURES / "cmdline").read_text()
    assert parse_image(line) is None
    assert parse_image(f"{line.strip()} flotilla.image={A}\n") == A
    assert parse_image(f"flotilla.image={A} quiet flotilla.image={B}") == B
    assert parse_image(f"xflotilla.image={A}") is None
    assert parse_image(f"flotilla.image={A}0") is None
    for variant in mutations(f"quiet flotilla.image={A} noembed", seed=3, count=MUTATIONS):
        found = parse_image(variant)
        assert found is None or f"flotilla.image={found}" in variant
