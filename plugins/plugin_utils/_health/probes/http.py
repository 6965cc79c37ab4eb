# SPDX-License-Identifier: GPL-3.0-or-later
"""`http`: a URL answers with the expected status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..._model.host import Result
from ..._model.shell import quote
from ..._parsers.health_http import FETCHED, Answer, parse_http
from ..option import boolean, matching, number, option, several, texts_by_name, whole
from ..probe_type import (
    ANSWER,
    NO_TOOL,
    PROBE_TIMEOUT,
    PROBE_TIMEOUT_MAX,
    Data,
    Faults,
    Outside,
    ProbeType,
    Unknown,
    limited,
    parsed,
    shown,
)

_MASK = "********"
# A shorter value is no secret, and masking it ("on", "1") would spoil the body.
_SECRET_LENGTH = 6
# Headers that are no secrets, and whose values a good answer may well repeat.
_PLAIN = frozenset({"host", "accept", "accept-encoding", "accept-language", "connection", "content-type", "user-agent"})
# A name and password in a URL would show in messages, in the process list and in logs.
_URL = r"https?://[^\s\x00-\x1f\x7f/?#@]+(?:[/?#][^\s\x00-\x1f\x7f]*)?"


@dataclass(frozen=True, kw_only=True)
class Http(ProbeType):
    """Data: {status, body, json, error, tool}. `status` is None when there was no answer, `error` says why then.

    curl, wget and busybox wget are asked to do the same: no proxy, no redirect followed, no retry.
    """

    TYPE: ClassVar[str] = "http"

    url: str = option(
        matching(_URL, "an http:// or https:// URL without spaces and without name and password", secret=True),
        "What to get, as the place that O(probes[].where) names sees it. Without a proxy; redirects are not followed.",
    )
    status: tuple[int, ...] = option(
        several(whole(100, 599)), "The status that is expected, or a list of them.", default=(200,)
    )
    timeout: float = option(
        number(1, PROBE_TIMEOUT_MAX), "Patience with one request, in seconds.", default=PROBE_TIMEOUT
    )
    headers: Mapping[str, str] = option(
        texts_by_name, "Headers to send. Their values are never shown.", default_factory=dict, repr=False
    )
    validate_certs: bool = option(boolean, "Refuse a certificate that does not verify.", default=True)

    @property
    def patience(self) -> float:
        return self.timeout + 2

    @property
    def _named(self) -> str:
        """The URL in words; what follows the question mark may be a token."""
        place, mark, _query = self.url.partition("?")
        return f"{place}?…" if mark else place

    def script(self) -> str:
        headers = [f"{name}: {value}" for name, value in self.headers.items()]
        # on stdin, so that no secret shows in the host's process list
        config = "".join(f'header = "{_config(header)}"\n' for header in headers)
        insecure = not self.validate_certs
        curl = limited(
            self.patience,
            *("curl", "-q", "-sS", "-i", "-g", "--http1.1", "--noproxy", "*", "--proto", "=http,https"),
            *("--max-time", f"{self.timeout:g}", "-K", "-"),
            *(["--insecure"] if insecure else []),
            *("--url", self.url),
        )
        options = [f"--header={header}" for header in headers] + (["--no-check-certificate"] if insecure else [])
        wget = limited(
            self.timeout,
            *("wget", "-nv", "-S", "-O", "-", "--tries=1", "--max-redirect=0", "--content-on-error", "--no-proxy"),
            *(*options, "--", self.url),
        )
        short = [word for header in headers for word in ("--header", header)] + options[len(headers) :]
        busybox = limited(self.timeout, "busybox", "wget", "-q", "-S", "-O", "-", "-Y", "off", *short, self.url)
        plain = limited(self.timeout, "wget", "-q", "-S", "-O", "-", "-Y", "off", *short, self.url)
        # busybox does not look at certificates: an unverified answer must not pass for a good one
        verifies = f"exit {NO_TOOL}" if self.validate_certs and self.url.startswith("https:") else ":"
        return (
            "{ if command -v curl >/dev/null 2>&1; then echo curl; "
            f"printf '%s' {quote(config)} | {curl}\n"
            'elif command -v wget >/dev/null 2>&1; then case "$(wget --version 2>&1)" in\n'
            f"*GNU*) echo wget; {wget};;\n"
            f"*) {verifies}; echo wget; {plain};; esac\n"
            "elif command -v busybox >/dev/null 2>&1 && busybox wget --help >/dev/null 2>&1; "
            f"then {verifies}; echo wget; {busybox}\n"
            f"else exit {NO_TOOL}; fi; printf '\\nrc=%s\\n' \"$?\" >&2; }} | head -c {FETCHED}"
        )

    def read(self, result: Result) -> Data:
        tool, _newline, output = result.stdout.partition("\n")
        if not tool:
            secure = ", or none that verifies certificates" if self.validate_certs else ""
            raise Unknown(f"there is no curl or wget on the host{secure}")
        return self._data(parse_http(tool, output, result.stderr, self.timeout), tool)

    def look(self, outside: Outside, address: str) -> Data:
        return self._data(outside.get(self.url, self.headers, self.timeout, self.validate_certs), "python")

    def _data(self, answer: Answer, tool: str) -> Data:
        body = self._masked(answer.body)  # before it is cut: half a secret would not be found
        return {
            "status": answer.status,
            "body": shown(body),
            "json": None if answer.error else parsed(body),
            "error": None if answer.error is None else shown(self._masked(answer.error).replace(self.url, self._named)),
            "tool": tool,
        }

    def demands(self, data: Data) -> Faults:
        if data["status"] is None:
            return {ANSWER: f"{self._named} did not answer: {data['error']}"}
        if data["status"] not in self.status:
            expected = " or ".join(str(status) for status in self.status)
            return {ANSWER: f"{self._named} answered {data['status']}, expected {expected}"}
        return {ANSWER: f"{self._named} broke off its answer: {data['error']}"} if data["error"] else {}

    def value(self, data: Data) -> object:
        return data["status"]

    def _masked(self, words: str) -> str:
        """A server may send a header back to us, as it is or in JSON."""
        for name, value in self.headers.items():
            if name.lower() in _PLAIN:
                continue
            token = value.partition(" ")[2]  # of "Bearer TOKEN", the token alone too
            for secret in (value, token, json.dumps(value)[1:-1], json.dumps(token)[1:-1]):
                words = words.replace(secret, _MASK) if len(secret) >= _SECRET_LENGTH else words
        return words


def _config(words: str) -> str:
    """Return `words` as they stand between quotes in curl's config."""
    return words.replace("\\", "\\\\").replace('"', '\\"')
