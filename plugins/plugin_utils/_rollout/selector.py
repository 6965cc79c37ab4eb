# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are meant, as a JMESPath expression over host variables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import Refused
from .._health.query import Query


@dataclass(frozen=True)
class Selector:
    """A compiled expression. A host is meant when it gives true: not "yes", not 1, not a list."""

    expression: str
    _query: Query = field(repr=False, compare=False)

    @classmethod
    def parse(cls, value: object, what: str) -> Selector:
        """Read an expression such as "rack == 'r1'". Raises Refused."""
        try:
            query = Query.read(value)
        except ValueError as exc:
            raise Refused(f"cannot read {what}: it {exc}") from exc
        return cls(query.expression, query)

    @property
    def names(self) -> frozenset[str]:
        """The names in the expression; the host variables that it needs are among them."""
        return frozenset(_fields(self._query.compiled.parsed))

    def selects(self, host: str, variables: Mapping[str, Any]) -> bool:
        """Tell whether a host is meant. Raises Refused where the expression is no yes or no for it."""
        try:
            found = self._query.search(dict(variables))
        except ValueError as exc:
            raise Refused(f"cannot select {host} by {self.expression!r}: {exc}") from exc
        if found is not None and not isinstance(found, bool):
            raise Refused(
                f"cannot select {host} by {self.expression!r}: it gives {found!r}, not true or false; compare it with "
                "something, as in \"rack == 'r1'\""
            )
        return found is True


def _fields(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "field":
        yield str(node["value"])
    for child in node.get("children", ()):
        if isinstance(child, Mapping):
            yield from _fields(child)
