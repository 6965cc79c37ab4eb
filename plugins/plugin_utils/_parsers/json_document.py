# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that a tool prints, read strictly: what is not of the expected kind is an error, and so is a key that is there
twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .._errors import CannotParse

Kind = TypeVar("Kind", str, int, bool, list[Any], dict[str, Any])
# In words for an error.
_KINDS: dict[type, str] = {str: "text", int: "number", bool: "true or false", list: "list", dict: "object"}


def loaded(what: str, text: str) -> object:
    """Return the document in `text`. Raises CannotParse("WHAT", ...)."""
    if not text.strip():
        raise CannotParse(what, "it is empty")
    try:
        return json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as exc:
        raise CannotParse(what, f"not JSON: {exc}") from exc


def loaded_all(what: str, text: str) -> list[object]:
    """Return all documents in `text`, which stand one after the other. Raises CannotParse; also where there is none."""
    if not text.strip():
        raise CannotParse(what, "it is empty")
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)
    found: list[object] = []
    rest = text.strip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError) as exc:
            raise CannotParse(what, f"not JSON: {exc}") from exc
        found.append(document)
        rest = rest[end:].lstrip()
    return found


@dataclass(frozen=True)
class Node:
    """An object in a document, and where it stands, for errors."""

    what: str
    where: str
    members: Mapping[str, Any]

    @classmethod
    def of(cls, what: str, document: object) -> Node:
        """Return the whole document, which must be an object."""
        if not isinstance(document, dict):
            raise CannotParse(what, "it is no object")
        return cls(what, "", document)

    def get(self, key: str, kind: type[Kind]) -> Kind:
        """Return the member `key`, which must be there and of `kind`."""
        found = self.maybe(key, kind)
        if found is None:
            raise CannotParse(self.what, f"{self._path(key)} is missing")
        return found

    def maybe(self, key: str, kind: type[Kind]) -> Kind | None:
        """Return the member `key`, None where it is null or not there."""
        found = self.members.get(key)
        if found is None:
            return None
        # true and false are numbers for Python.
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise CannotParse(self.what, f"{self._path(key)} is no {_KINDS[kind]}")
        return found

    def into(self, key: str) -> Node:
        """Return the object that is the member `key`."""
        return Node(self.what, self._path(key), self.get(key, dict))

    def maybe_into(self, key: str) -> Node | None:
        found = self.maybe(key, dict)
        return None if found is None else Node(self.what, self._path(key), found)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the member `key`, a list of texts."""
        found = self.get(key, list)
        if not all(isinstance(one, str) for one in found):
            raise CannotParse(self.what, f"{self._path(key)} is no list of texts")
        return tuple(found)

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
