# SPDX-License-Identifier: GPL-3.0-or-later
"""OS images in registries: the references of ostree-container, what a registry offers, and the host's policy.

Sources: bootc-dev/bootc crates/ostree-ext/src/container/mod.rs (ImageReference, OstreeImageReference),
containers-policy.json(5), the OCI image specification (image index, annotations).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from .._errors import CannotParse
from .._model.state import Verification

_KINDS = (
    "ostree-unverified-registry",
    "ostree-unverified-image",
    "ostree-remote-registry",
    "ostree-remote-image",
    "ostree-image-signed",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# What `uname -m` says, in the words of OCI (Go's GOARCH).
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
VERSION_LABELS = ("org.opencontainers.image.version", "version")
# Requirements of a policy that let only signed images pass, or none.
_STRICT = ("signedBy", "sigstoreSigned", "reject")


@dataclass(frozen=True)
class ImageReference:
    """`kind` is signed, unverified or remote; `repository` with its transport (docker://quay.io/x/y); `tag` may be a
    digest."""

    kind: str
    repository: str
    tag: str
    remote: str | None = None

    @property
    def location(self) -> str:
        """The image in the words of skopeo: TRANSPORT:NAME."""
        if not self.tag:
            return self.repository
        return f"{self.repository}{'@' if self.tag.startswith('sha256:') else ':'}{self.tag}"

    @property
    def reference(self) -> str:
        """The image in the words of ostree-container, in its full form."""
        if self.kind == "remote":
            return f"ostree-remote-image:{self.remote}:{self.location}"
        return f"{'ostree-image-signed' if self.kind == 'signed' else 'ostree-unverified-image'}:{self.location}"


def parse_image_reference(text: str) -> ImageReference:
    """Read any of the ways in which an image is written. Raises CannotParse."""
    word, colon, rest = text.partition(":")
    if not colon or word not in _KINDS or not rest:
        raise CannotParse("the origin of a deployment", "it is no image reference", text)
    remote = None
    if word.startswith("ostree-remote-"):
        remote, _colon, rest = rest.partition(":")
    name = f"docker://{rest}" if word.endswith("-registry") else rest
    for transport in ("registry:", "docker:"):
        if name.startswith(transport):
            name = "docker://" + name.removeprefix(transport).removeprefix("//")
    transport, colon, path = name.partition(":")
    if not colon or not path.strip("/") or remote == "":
        raise CannotParse("the origin of a deployment", "its image has no name", text)
    kind = "signed" if word == "ostree-image-signed" else "remote" if remote else "unverified"
    if transport != "docker":
        return ImageReference(kind, name, "", remote)
    repository, at, digest = name.partition("@")
    if at:
        if not _DIGEST.fullmatch(digest):
            raise CannotParse("the origin of a deployment", "its image has no whole digest", text)
        return ImageReference(kind, repository, digest, remote)
    # A colon before the last slash is that of a port.
    head, slash, last = repository.rpartition("/")
    last, colon, tag = last.partition(":")
    if not last or (colon and not tag):
        raise CannotParse("the origin of a deployment", "its image has no whole name", text)
    return ImageReference(kind, f"{head}{slash}{last}", tag if colon else "latest", remote)


@dataclass(frozen=True)
class Policy:
    """/etc/containers/policy.json: what an image must satisfy to be let in, by transport and scope."""

    default: tuple[str, ...]
    scopes: dict[str, dict[str, tuple[str, ...]]]

    def requirements(self, repository: str, tag: str) -> tuple[str, ...]:
        """Return the types of the requirements that hold for an image: those of the narrowest scope."""
        transport, _colon, name = repository.partition(":")
        of_transport = self.scopes.get(transport, {})
        name = name.removeprefix("//")
        candidates = [f"{name}:{tag}", name]
        while "/" in name:
            name = name.rpartition("/")[0]
            candidates.append(name)
        host = name.partition(":")[0]
        while "." in host:
            host = host.partition(".")[2]
            candidates.append(f"*.{host}")
        return next((of_transport[one] for one in [*candidates, ""] if one in of_transport), self.default)

    def enforces(self, repository: str, tag: str) -> bool:
        """Tell whether an image must be signed to pass; one requirement that can fail is enough, all must hold."""
        return any(one in _STRICT for one in self.requirements(repository, tag))


def parse_policy(text: str) -> Policy:
    """Read containers-policy.json(5). Raises CannotParse."""
    try:
        shown = json.loads(text)
        transports = shown.get("transports", {})
        return Policy(
            _types(shown["default"]),
            {
                str(name): {str(scope): _types(kinds) for scope, kinds in scopes.items()}
                for name, scopes in transports.items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise CannotParse("the host's containers policy", f"{type(exc).__name__}: {exc}") from exc


def _types(requirements: list[dict[str, object]]) -> tuple[str, ...]:
    if not isinstance(requirements, list) or not requirements:
        raise TypeError("a scope has no requirement")
    return tuple(str(one["type"]) for one in requirements)


def verification(image: ImageReference, policy: Policy | None, remote: Verification | None) -> Verification | None:
    """Return how `image` is verified: by the policy, by the signature of the commit in it, or not for sure.

    A policy whose default lets everything in is refused by the tool for signed images; one that lets in everything
    from the very place of the image is not, and proves nothing. `remote`: how the remote of the reference verifies.
    """
    if image.kind == "remote":
        return remote
    if image.kind == "unverified":
        return Verification.NONE
    strict = policy is None or policy.enforces(image.repository, image.tag)
    return Verification.POLICY if strict else Verification.NONE


def parse_offer(text: str) -> tuple[str, str | None]:
    """Return (digest, version) of what a registry offers for the host's machine.

    `text`: `machine=` and `sha256=` lines, then `manifest:` and the raw manifest or index, then `image:` and what
    `skopeo inspect` says of the image for this machine. Raises CannotParse.
    """
    what = "what the registry offers"
    head, found, rest = text.partition("\nmanifest:\n")
    words = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
    manifest, marked, image = rest.partition("\nimage:\n")
    if not found or not marked:
        raise CannotParse(what, "it is not complete", text[-200:])
    try:
        shown = json.loads(manifest)
        labels = json.loads(image).get("Labels") or {}
        digest = f"sha256:{words['sha256']}"
        if "manifests" in shown:
            machine = words["machine"]
            wanted = _ARCHITECTURES.get(machine, machine)
            digest = next(
                (
                    one["digest"]
                    for one in shown["manifests"]
                    if one.get("platform", {}).get("architecture") == wanted
                    and one["platform"].get("os", "linux") == "linux"
                ),
                "",
            )
            if not digest:
                raise CannotParse(what, f"its index has no image for {machine}")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"not a digest: {digest!r}")
        version = next((labels[key] for key in VERSION_LABELS if labels.get(key)), None)
        if version is not None and not isinstance(version, str):
            raise TypeError(f"not a version: {version!r}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise CannotParse(what, f"{type(exc).__name__}: {exc}") from exc
    return digest, version
