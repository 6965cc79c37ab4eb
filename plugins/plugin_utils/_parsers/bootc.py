# SPDX-License-Identifier: GPL-3.0-or-later
"""What `bootc status --format=json` prints (API v1alpha1 and v1), and what `skopeo inspect` says of an image.

Sources: bootc-dev/bootc crates/lib/src/spec.rs and docs/src/host-v1.schema.json, skopeo-inspect(1), OCI image index.
The two APIs nest alike; what an older one does not know is simply missing. Since 1.x the keys come sorted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import CannotParse

STATUS = "the output of `bootc status`"
INSPECT = "the output of `skopeo inspect`"
# Printed between the summary of an image and its manifest as the registry has it.
RAW_MARK = "@@flotilla-raw"
# What bootc and containers-transports(5) call the same transport.
REGISTRY, DOCKER = "registry", "docker"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HEX = re.compile(r"[0-9a-f]{64}|[0-9a-f]{128}")


@dataclass(frozen=True)
class Image:
    """A reference to an image. `signature`: "policy", "remote", or None where bootc insists on none.

    `ostree_remote`: the remote whose keys sign, with "remote".
    """

    reference: str
    transport: str
    signature: str | None = None
    ostree_remote: str | None = None

    @property
    def source(self) -> str:
        """The image without tag and digest, in the notation of containers-transports(5)."""
        return f"{_prefix(self.transport)}{self._split()[0]}"

    @property
    def name(self) -> str | None:
        """The tag, or the digest that it is pinned to; None for a transport that knows neither."""
        return self._split()[1]

    def _split(self) -> tuple[str, str | None]:
        path, at, digest = self.reference.partition("@")
        if at:
            return (_split_tag(path)[0] if self.transport == REGISTRY else path), digest
        path, tag = _split_tag(path)
        return path, tag or ("latest" if self.transport == REGISTRY else None)


@dataclass(frozen=True)
class Entry:
    """A deployment. `id` as `ostree admin status` shows it, or the verity digest where composefs boots it.

    `digest` is None where it is no container image, or one that rpm-ostree has changed on the host (`incompatible`).
    """

    id: str
    checksum: str
    composefs: bool
    digest: str | None
    version: str | None
    image: Image | None
    incompatible: bool
    pinned: bool
    download_only: bool


@dataclass(frozen=True)
class Status:
    """`follows`: what the next deployment is made from. `queued`: the rollback entry is the next boot."""

    follows: Image | None
    staged: Entry | None
    booted: Entry | None
    rollback: Entry | None
    others: tuple[Entry, ...]
    queued: bool

    @property
    def image_mode(self) -> bool:
        """bootc manages what runs. The field `type` is null on composefs, so that it proves nothing."""
        return self.booted is not None and self.booted.image is not None


def parse_status(text: str) -> Status:
    """Return what `bootc status --format=json` tells. Raises CannotParse."""
    host = _object(_loaded(STATUS, text), "it")
    api = host.get("apiVersion")
    if not isinstance(api, str) or not api.startswith("org.containers.bootc/v1"):
        raise CannotParse(STATUS, f"apiVersion is {api!r}")
    if "status" not in host:
        raise CannotParse(STATUS, "it has no status")
    status = _object(host["status"], "status")
    spec = _object(host.get("spec") or {}, "spec")
    others = status.get("otherDeployments") or []
    if not isinstance(others, list):
        raise CannotParse(STATUS, "otherDeployments is no list")
    return Status(
        follows=_image(spec.get("image"), "spec.image"),
        staged=_entry(_slot(status, "staged"), "staged"),
        booted=_entry(_slot(status, "booted"), "booted"),
        rollback=_entry(_slot(status, "rollback"), "rollback"),
        others=tuple(entry for one in others if (entry := _entry(one, "otherDeployments")) is not None),
        queued=_flag(status, "rollbackQueued", "status"),
    )


def parse_offer(text: str) -> tuple[str, str | None]:
    """Return (digest, version) of an image: the digest of the manifest for this host's architecture.

    `text`: `skopeo inspect IMAGE`, RAW_MARK, `skopeo inspect --raw IMAGE`. Raises CannotParse.
    """
    shown, mark, raw = text.partition(f"\n{RAW_MARK}\n")
    if not mark:
        raise CannotParse(INSPECT, "the manifest is missing", text[:200])
    summary = _object(_loaded(INSPECT, shown), "it", INSPECT)
    digest = _matching(_DIGEST, summary.get("Digest"), "Digest", INSPECT)
    architecture = summary.get("Architecture")
    labels = _object(summary.get("Labels") or {}, "Labels", INSPECT)
    # The order in which ostree-ext looks for it (crates/ostree-ext/src/container/mod.rs, version_for_config).
    named = next((labels[key] for key in ("org.opencontainers.image.version", "version") if key in labels), None)
    version = named if isinstance(named, str) and named else None
    manifest = _object(_loaded(INSPECT, raw), "the manifest", INSPECT)
    listed = manifest.get("manifests")
    if listed is None:
        return digest, version
    if not isinstance(listed, list):
        raise CannotParse(INSPECT, "manifests is no list")
    for one in listed:
        item = _object(one, "a manifest of the list", INSPECT)
        platform = _object(item.get("platform") or {}, "platform", INSPECT)
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return _matching(_DIGEST, item.get("digest"), "digest", INSPECT), version
    raise CannotParse(INSPECT, f"the list has no manifest for {architecture}")


def _loaded(what: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise CannotParse(what, "it is empty" if not text.strip() else f"not JSON: {exc}") from exc


def _slot(status: Mapping[str, Any], name: str) -> object:
    """Return what stands in a slot. An empty one is null; no released bootc leaves it out, so that this is damage."""
    if name not in status:
        if name == "staged" and "isContainer" in status:  # the drafts of v1alpha1 left it out
            return None
        raise CannotParse(STATUS, f"status has no {name}")
    return status[name]


def _entry(value: object, where: str) -> Entry | None:
    if value is None:
        return None
    entry = _object(value, where)
    identity, checksum, composefs = _identity(entry, where)
    if "image" not in entry:
        raise CannotParse(STATUS, f"{where} has no image")
    status = entry["image"] if entry["image"] is None else _object(entry["image"], f"{where}.image")
    digest = version = image = None
    if status is not None:
        image = _image(status.get("image"), f"{where}.image.image")
        if image is None:
            raise CannotParse(STATUS, f"{where}.image names no image")
        digest = _matching(_DIGEST, status.get("imageDigest"), f"{where}.image.imageDigest")
        version = status.get("version")
        if version is not None and not isinstance(version, str):
            raise CannotParse(STATUS, f"{where}.image.version is no text")
    return Entry(
        id=identity,
        checksum=checksum,
        composefs=composefs,
        digest=digest,
        version=version or None,
        image=image,
        incompatible=_flag(entry, "incompatible", where),
        pinned=_flag(entry, "pinned", where),
        download_only=_flag(entry, "downloadOnly", where),
    )


def _identity(entry: Mapping[str, Any], where: str) -> tuple[str, str, bool]:
    if entry.get("ostree") is not None:
        ostree = _object(entry["ostree"], f"{where}.ostree")
        checksum = _matching(_HEX, ostree.get("checksum"), f"{where}.ostree.checksum")
        serial = ostree.get("deploySerial")
        if not isinstance(serial, int) or isinstance(serial, bool) or serial < 0:
            raise CannotParse(STATUS, f"{where}.ostree.deploySerial is {serial!r}")
        return f"{checksum}.{serial}", checksum, False
    if entry.get("composefs") is not None:
        verity = _object(entry["composefs"], f"{where}.composefs").get("verity")
        found = _matching(_HEX, verity, f"{where}.composefs.verity")
        return found, found, True
    raise CannotParse(STATUS, f"{where} is a deployment of neither ostree nor composefs")


def _image(value: object, where: str) -> Image | None:
    if value is None:
        return None
    image = _object(value, where)
    reference, transport = image.get("image"), image.get("transport")
    if not (isinstance(reference, str) and reference and isinstance(transport, str) and transport):
        raise CannotParse(STATUS, f"{where} has no image or no transport")
    signature = image.get("signature")
    if signature in (None, "insecure"):
        return Image(reference, transport)
    if signature == "containerPolicy":
        return Image(reference, transport, "policy")
    if (
        isinstance(signature, dict)
        and list(signature) == ["ostreeRemote"]
        and isinstance(signature["ostreeRemote"], str)
    ):
        return Image(reference, transport, "remote", signature["ostreeRemote"])
    raise CannotParse(STATUS, f"{where}.signature is {signature!r}")


def _prefix(transport: str) -> str:
    return f"{DOCKER}://" if transport == REGISTRY else f"{transport}:"


def _split_tag(path: str) -> tuple[str, str | None]:
    """Split REPOSITORY:TAG; the port of a registry is no tag."""
    folder, slash, last = path.rpartition("/")
    last, colon, tag = last.partition(":")
    return f"{folder}{slash}{last}", tag if colon and tag else None


def _object(value: object, where: str, what: str = STATUS) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CannotParse(what, f"{where} is no object")
    return value


def _flag(entry: Mapping[str, Any], key: str, where: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise CannotParse(STATUS, f"{where}.{key} is neither true nor false")
    return value


def _matching(pattern: re.Pattern[str], value: object, where: str, what: str = STATUS) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise CannotParse(what, f"{where} is {value!r}")
    return value
