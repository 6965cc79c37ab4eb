# SPDX-License-Identifier: GPL-3.0-or-later
"""References of images, the host's policy, and what a registry offers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.ostree_image import (
    ImageReference,
    parse_image_reference,
    parse_offer,
    parse_policy,
)

OFFER = (Path(__file__).parents[2] / "fixtures/rpm_ostree/offer-index.txt").read_text()
FCOS = "docker://quay.io/fedora/fedora-coreos"
POLICY = {
    "default": [{"type": "insecureAcceptAnything"}],
    "transports": {
        "docker": {
            "quay.io/fedora/fedora-coreos": [{"type": "sigstoreSigned"}],
            "quay.io/fedora": [{"type": "signedBy"}],
            "registry.example:5000": [{"type": "reject"}],
            "*.example.org": [{"type": "signedBy"}],
        },
        "oci": {"": [{"type": "reject"}]},
    },
}
MUTATIONS = 10_000


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable", ImageReference("signed", FCOS, "stable")),
        ("ostree-unverified-registry:quay.io/fedora/fedora-coreos", ImageReference("unverified", FCOS, "latest")),
        (
            "ostree-remote-registry:fedora:quay.io/fedora/fedora-coreos:next",
            ImageReference("remote", FCOS, "next", "fedora"),
        ),
        (
            "ostree-remote-image:fedora:registry:quay.io/fedora/fedora-coreos:next",
            ImageReference("remote", FCOS, "next", "fedora"),
        ),
        (
            "ostree-unverified-image:docker://registry.example:5000/os",
            ImageReference("unverified", "docker://registry.example:5000/os", "latest"),
        ),
        (
            "ostree-unverified-image:oci-archive:/var/os.tar",
            ImageReference("unverified", "oci-archive:/var/os.tar", ""),
        ),
        (
            f"ostree-image-signed:docker://quay.io/fedora/fedora-coreos@sha256:{'a' * 64}",
            ImageReference("signed", FCOS, f"sha256:{'a' * 64}"),
        ),
    ],
)
def test_all_ways_to_write_an_image(text: str, image: ImageReference) -> None:
    assert parse_image_reference(text) == image
    assert parse_image_reference(image.reference) == image


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fedora:fedora/x86_64/coreos/stable",
        "ostree-signed-image:registry:quay.io/x/y",
        "ostree-image-signed:",
        "ostree-remote-image::docker://quay.io/x",
        "ostree-image-signed:docker://",
    ],
)
def test_what_is_no_image(text: str) -> None:
    with pytest.raises(CannotParse, match="cannot parse the origin of a deployment"):
        parse_image_reference(text)


@pytest.mark.parametrize(
    ("repository", "tag", "requirement", "enforced"),
    [
        (FCOS, "stable", "sigstoreSigned", True),
        ("docker://quay.io/fedora/iot", "stable", "signedBy", True),
        ("docker://quay.io/other/os", "stable", "insecureAcceptAnything", False),
        ("docker://registry.example:5000/os", "1", "reject", True),
        ("docker://a.b.example.org/os", "1", "signedBy", True),
        ("oci:/var/os", "", "reject", True),
        ("dir:/var/os", "", "insecureAcceptAnything", False),
    ],
)
def test_narrowest_scope_of_the_policy_counts(repository: str, tag: str, requirement: str, enforced: bool) -> None:
    policy = parse_policy(json.dumps(POLICY))
    assert policy.requirements(repository, tag) == (requirement,)
    assert policy.enforces(repository, tag) is enforced


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"default": []}', '{"default": [{}]}', '{"default": "reject"}'])
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(CannotParse, match="cannot parse the host's containers policy"):
        parse_policy(text)


def test_single_manifest_is_named_by_its_bytes() -> None:
    text = f'machine=riscv64\nsha256={"e" * 64}\n\nmanifest:\n{{"schemaVersion": 2}}\nimage:\n{{"Labels": null}}\n'
    assert parse_offer(text) == (f"sha256:{'e' * 64}", None)
    labelled = text.replace("null", '{"version": "7"}')
    assert parse_offer(labelled) == (f"sha256:{'e' * 64}", "7")


def test_index_without_the_hosts_machine() -> None:
    with pytest.raises(CannotParse, match="its index has no image for s390x"):
        parse_offer(OFFER.replace("machine=x86_64", "machine=s390x"))


def test_mutated_offers_are_read_or_refused() -> None:
    for text in mutations(OFFER, 3, MUTATIONS):
        try:
            digest, version = parse_offer(text)
        except CannotParse as exc:
            assert str(exc).startswith("cannot parse what the registry offers")
            continue
        assert digest.removeprefix("sha256:") in text
        assert version is None or version in text


def test_mutated_policies_and_references_are_read_or_refused() -> None:
    for text in mutations(json.dumps(POLICY, indent=1), 4, MUTATIONS):
        try:
            policy = parse_policy(text)
        except CannotParse:
            continue
        assert policy.requirements(FCOS, "stable")
    for text in mutations("ostree-remote-image:fedora:registry:quay.io/fedora/fedora-coreos:next", 5, MUTATIONS):
        try:
            image = parse_image_reference(text)
        except CannotParse:
            continue
        assert image.repository
        assert parse_image_reference(image.reference).location == image.location
