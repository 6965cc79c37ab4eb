# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootc and skopeo print: every recording, documents that are damaged, and references to images."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bootc_recorded import NAMES, recorded
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.bootc import (
    RAW_MARK,
    Entry,
    Image,
    Status,
    parse_offer,
    parse_status,
)

MANIFEST, INDEX, OTHER = (f"sha256:{letter * 64}" for letter in "abc")


def _agrees(entry: Entry | None, shown: Any) -> bool:
    """Tell whether an entry is what the document itself says of it, read without any of our code."""
    if entry is None or shown is None:
        return entry is shown
    image = shown["image"]
    if entry.composefs:
        identity = shown["composefs"]["verity"]
    else:
        identity = f"{shown['ostree']['checksum']}.{shown['ostree']['deploySerial']}"
    return (
        entry.id == identity
        and entry.digest == (image and image["imageDigest"])
        and (entry.image and entry.image.reference) == (image and image["image"]["image"])
        and (entry.pinned, entry.download_only) == (shown.get("pinned", False), shown.get("downloadOnly", False))
    )


def _right(status: Status, text: str) -> bool:
    host = json.loads(text)
    shown = host["status"]
    return (
        all(_agrees(getattr(status, slot), shown.get(slot)) for slot in ("staged", "booted", "rollback"))
        and status.queued is shown.get("rollbackQueued", False)
        and (status.follows and status.follows.reference)
        == ((host.get("spec") or {}).get("image") and host["spec"]["image"]["image"])
    )


@pytest.mark.parametrize("sort_keys", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_recorded(name: str, sort_keys: bool) -> None:
    text = recorded(name, sort_keys)
    assert _right(parse_status(text), text)


def _read(text: str) -> Status | None:
    """Return what is read, None for a clean refusal."""
    try:
        return parse_status(text)
    except CannotParse as exc:
        assert exc.message.startswith("cannot parse the output of `bootc status`")
        return None


@pytest.mark.parametrize("name", NAMES)
def test_mutations_are_read_right_or_refused(name: str) -> None:
    read = 0
    for text in mutations(recorded(name), seed=NAMES.index(name), count=700):
        status = _read(text)
        assert status is None or _right(status, text), text
        read += status is not None
    assert read, "not a single one was harmless: the mutations miss what they are for"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda host: host.pop("status"), "it has no status"),
        (lambda host: host.update(apiVersion="v2"), "apiVersion is 'v2'"),
        (lambda host: host["status"].pop("booted"), "status has no booted"),
        (lambda host: host["status"].update(staged=[]), "staged is no object"),
        (lambda host: host["status"].update(otherDeployments={"a": 1}), "otherDeployments is no list"),
        (lambda host: host["status"].update(rollbackQueued="yes"), "rollbackQueued is neither true nor false"),
        (lambda host: host["status"]["booted"].pop("ostree"), "neither ostree nor composefs"),
        (lambda host: host["status"]["booted"].pop("image"), "booted has no image"),
        (lambda host: host["status"]["booted"]["image"].pop("image"), "booted.image names no image"),
        (lambda host: host["status"]["booted"]["image"].update(imageDigest="sha256:12"), "imageDigest is 'sha256:12'"),
        (lambda host: host["status"]["booted"]["image"].update(version=4), "version is no text"),
        (lambda host: host["status"]["booted"]["ostree"].update(deploySerial=True), "deploySerial is True"),
        (lambda host: host["spec"]["image"].update(signature="new"), "signature is 'new'"),
        (lambda host: host["spec"]["image"].update(transport=""), "no image or no transport"),
    ],
)
def test_what_is_not_known_is_refused(change: Any, cause: str) -> None:
    host = json.loads(recorded("status-json-v1alpha1-booted-rollback"))
    change(host)
    with pytest.raises(CannotParse, match=cause):
        parse_status(json.dumps(host))


@pytest.mark.parametrize(("text", "cause"), [("", "it is empty"), ("{", "not JSON"), ("[]", "it is no object")])
def test_no_document(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_status(text)


def test_composefs_has_ids_of_its_own_and_no_type() -> None:
    host = json.loads(recorded("status-json-v1alpha1-booted-rollback"))
    host["status"]["type"] = None
    booted = host["status"]["booted"]
    booted["ostree"], booted["composefs"] = None, {"verity": "d" * 128, "bootType": "Bls"}
    status = parse_status(json.dumps(host))
    assert status.image_mode
    assert status.booted is not None
    assert (status.booted.id, status.booted.composefs) == ("d" * 128, True)


@pytest.mark.parametrize(
    ("reference", "transport", "source", "name"),
    [
        ("quay.io/a/b:1.2", "registry", "docker://quay.io/a/b", "1.2"),
        ("quay.io/a/b", "registry", "docker://quay.io/a/b", "latest"),
        ("10.0.0.1:5000/b", "registry", "docker://10.0.0.1:5000/b", "latest"),
        (f"quay.io/a/b@{MANIFEST}", "registry", "docker://quay.io/a/b", MANIFEST),
        (f"quay.io/a/b:1@{MANIFEST}", "registry", "docker://quay.io/a/b", MANIFEST),
        ("/var/os:latest", "oci", "oci:/var/os", "latest"),
        ("/var/os", "oci", "oci:/var/os", None),
        ("localhost/os:dev", "containers-storage", "containers-storage:localhost/os", "dev"),
    ],
)
def test_parts_of_a_reference(reference: str, transport: str, source: str, name: str | None) -> None:
    image = Image(reference, transport)
    assert (image.source, image.name) == (source, name)


# -- what a registry offers


def _offer(digest: str, manifest: object, **summary: object) -> str:
    shown = {"Name": "quay.io/a/b", "Digest": digest, "Architecture": "arm64", "Labels": None, **summary}
    return f"{json.dumps(shown, indent=4)}\n{RAW_MARK}\n{json.dumps(manifest)}"


LISTED = {
    "schemaVersion": 2,
    "manifests": [
        {"digest": OTHER, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": MANIFEST, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
    ],
}
LABELS = {"org.opencontainers.image.version": "10.1", "version": "other"}


def test_offer_is_the_manifest_of_the_host_s_architecture() -> None:
    assert parse_offer(_offer(INDEX, LISTED, Labels=LABELS)) == (MANIFEST, "10.1")
    assert parse_offer(_offer(MANIFEST, {"schemaVersion": 2, "layers": []})) == (MANIFEST, None)
    with pytest.raises(CannotParse, match="the list has no manifest for riscv64"):
        parse_offer(_offer(INDEX, LISTED, Architecture="riscv64"))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "the manifest is missing"),
        (_offer("latest", {}), "Digest is 'latest'"),
        (_offer(MANIFEST, []), "the manifest is no object"),
        (_offer(INDEX, {"manifests": 3}), "manifests is no list"),
        (_offer(INDEX, {"manifests": [3]}), "a manifest of the list is no object"),
        (_offer(MANIFEST, {}, Labels=[1]), "Labels is no object"),
    ],
)
def test_no_offer(text: str, cause: str) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse_offer(text)


def test_mutations_of_an_offer() -> None:
    read = 0
    for text in mutations(_offer(INDEX, LISTED, Labels=LABELS), seed=7, count=10_000):
        try:
            digest, _version = parse_offer(text)
        except CannotParse:
            continue
        assert digest in text
        read += 1
    assert read
