# SPDX-License-Identifier: GPL-3.0-or-later
"""Image sets: their manifest, what the store on a boot server holds for a host, what a kernel was booted from.

A manifest is ours, and its SHA-256 is the set's digest. One word and its value a line:

    version 19.03.12
    built 1594252800
    cmdline loglevel=3 base norestore noembed
    kernel SHA256 vmlinuz64
    initrd SHA256 initrd.img

`built` in seconds since the epoch; `cmdline` may be left out; `initrd` may come several times, in the order of loading,
or never; `file SHA256 NAME` is what the image fetches itself (a root file system).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._errors import CannotParse
from .._model.shell import FILE_MARK
from .files import split_files
from .key_value import parse_key_values

LINKS = ("current", "previous", "next")
# What the kernel command line of a host carries: the digest of the set that it was booted from.
ARGUMENT = "flotilla.image"

_HASH = r"[0-9a-f]{64}"
# A line of a manifest. The same rule stands in `_drivers/boot_image_stage.sh`, which reads it where there is no Python.
_LINE = re.compile(
    r"version (?P<version>[^\s].{0,99})"
    r"|built (?P<built>[0-9]{1,12})"
    r"|cmdline (?P<cmdline>[A-Za-z0-9 ._,:;=/@%+~?&*()\[\]-]*)"
    rf"|(?P<kind>kernel|initrd|file) (?P<sum>{_HASH}) (?P<name>[A-Za-z0-9][A-Za-z0-9._+-]*)",
    re.ASCII,
)
# Names that the store has files of its own by, and words that a boot loader, or we, take for ours.
_RESERVED = re.compile(r"manifest.*|verified.*|boot\..*")
_NOT_ITS = re.compile(rf"&&|{re.escape(ARGUMENT)}=.*")


@dataclass(frozen=True)
class Manifest:
    """`files`: (kernel, initrd or file; SHA-256; name), in order."""

    version: str
    built: int
    files: tuple[tuple[str, str, str], ...]
    cmdline: str


@dataclass(frozen=True)
class Store:
    """What a boot server holds for one host. `links`: digests by the names in LINKS, as far as they are there.

    `reset`: yes (it can reset the host), none (the user says that nothing can), or empty. `keys`: SHA-256 of the keys'
    text. `verified`: how each set was verified when it was staged (gpg, none). `watching`: whether the guard's deadline
    is being waited for.
    """

    name: str
    reset: str
    links: dict[str, str]
    channel: dict[str, str]
    keys: str | None
    busy: str | None
    watching: bool
    manifests: dict[str, Manifest]
    verified: dict[str, str]


def parse_manifest(text: str) -> Manifest:
    """Return the manifest. Raises CannotParse."""
    single: dict[str, str] = {}
    files: list[tuple[str, str, str]] = []
    for line in text.split("\n")[:-1]:
        found = _LINE.fullmatch(line)
        if found is None:
            raise CannotParse("the manifest of an image set", "unknown line", line)
        if found["kind"]:
            if _RESERVED.fullmatch(found["name"]):
                raise CannotParse("the manifest of an image set", "a name that the store keeps for itself", line)
            files.append((found["kind"], found["sum"], found["name"]))
            continue
        word = line.partition(" ")[0]
        if word in single:
            raise CannotParse("the manifest of an image set", f"{word} is there twice", line)
        single[word] = found[word]
    if not text.endswith("\n"):
        raise CannotParse("the manifest of an image set", "it is empty" if not text else "it is cut off", text[-80:])
    missing = [word for word in ("version", "built") if word not in single]
    if missing or [kind for kind, _sum, _name in files].count("kernel") != 1:
        raise CannotParse("the manifest of an image set", f"it has no {missing[0] if missing else 'single kernel'}")
    names = [name for _kind, _sum, name in files]
    if len(set(names)) != len(names):
        raise CannotParse("the manifest of an image set", "a name is there twice")
    cmdline = single.get("cmdline", "")
    if any(map(_NOT_ITS.fullmatch, cmdline.split(" "))):
        raise CannotParse("the manifest of an image set", "a word that no image may bring", cmdline)
    return Manifest(single["version"], int(single["built"]), tuple(files), cmdline)


def parse_store(text: str) -> Store:
    """Return what `show` in `_drivers/boot_image_store.sh` printed. Raises CannotParse."""
    head, _mark, _rest = text.partition(FILE_MARK)
    words = parse_key_values(head)
    if not head.rstrip("\n").endswith("\nshown=all") or not words.get("name"):
        raise CannotParse("what the boot server holds", "it is cut off", text[-80:])
    links = {link: words[link] for link in LINKS if words.get(link)}
    for link, digest in links.items():
        if not re.fullmatch(_HASH, digest):
            raise CannotParse("what the boot server holds", f"{link} leads to no image set", digest)
    manifests, verified = {}, {}
    for path, content in split_files(text):
        digest, _slash, name = path.partition("/")
        if name == "manifest":
            # The blank line between two files is not the file's.
            manifests[digest] = parse_manifest(f"{content.rstrip()}\n")
        else:
            verified[digest] = content.strip()
    for link, digest in links.items():
        if digest not in manifests:
            raise CannotParse("what the boot server holds", f"the set of {link} has no manifest", digest)
    return Store(
        words["name"],
        words.get("reset", ""),
        links,
        {key.removeprefix("channel_"): value for key, value in words.items() if key.startswith("channel_")},
        words.get("keys") or None,
        words.get("busy") or None,
        words.get("watching") == "yes",
        manifests,
        verified,
    )


def parse_image(cmdline: str) -> str | None:
    """Return the digest of the set that the kernel with this command line was booted from; the last one counts.

    None where there is none, or what stands there is no digest.
    """
    found = [word.partition("=")[2] for word in cmdline.split() if word.startswith(f"{ARGUMENT}=")]
    return found[-1] if found and re.fullmatch(_HASH, found[-1]) else None
