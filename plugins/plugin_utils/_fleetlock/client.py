# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a lock server, and ask again. The one place that sends such a request.

Sent with ansible-core's own open_url: every controller has it, with the proxies, certificates and TLS settings that its
other modules go by; a client library of its own would be one more thing to install for one POST.
"""

from __future__ import annotations

import http.client
import random
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible.module_utils.urls import ConnectionError as TlsError
from ansible.module_utils.urls import open_url

from .._errors import FlotillaError
from .._model.host import Clock
from .protocol import (
    BODY_LIMIT,
    HEADER,
    HEADER_VALUE,
    PRE_REBOOT,
    STEADY_STATE,
    Answer,
    Identity,
    Meaning,
    endpoint,
    judge,
)

# The longest pause (s) between two attempts.
MAX_PAUSE = 60.0


@dataclass(frozen=True)
class Server:
    """Where and how to ask. `timeout`: seconds that the server may be silent. `headers` are never shown."""

    url: str
    timeout: float = 30.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    use_proxy: bool = True

    def post(self, place: str, identity: Identity) -> Answer:
        """Return the answer. Raises OSError or HTTPException when there was none."""
        url = endpoint(self.url, place)
        headers = {**self.headers, "Content-Type": "application/json", HEADER: HEADER_VALUE}
        try:
            # A redirect is not followed: the header says that this server was meant.
            with open_url(
                url,
                method="POST",
                data=identity.body(),
                headers=headers,
                timeout=self.timeout,
                follow_redirects="none",
                validate_certs=self.validate_certs,
                ca_path=self.ca_path,
                client_cert=self.client_cert,
                client_key=self.client_key,
                use_proxy=self.use_proxy,
                http_agent="flotilla.container_os",
            ) as response:
                return judge(response.status, response.read(BODY_LIMIT))
        except urllib.error.HTTPError as error:
            with error:
                return judge(error.code, _rest(error))


@dataclass(frozen=True)
class Patience:
    """How often to ask. `retries`: attempts after the first one. `delay`: about how long (s) before the second one; it
    doubles from then on, up to MAX_PAUSE."""

    retries: int
    delay: float

    def pause(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after `attempt` (from 1). `chance`: 0 to 1; hosts that were refused together must
        not come back together."""
        longest = min(MAX_PAUSE, self.delay * 2.0 ** min(attempt - 1, 32))
        return longest * (0.5 + chance / 2)


@dataclass(frozen=True)
class Done:
    """A lock that was taken or given back, after so many attempts."""

    answer: Answer
    attempts: int


def ask(
    server: Server,
    held: bool,
    identity: Identity,
    patience: Patience,
    clock: Clock,
    say: Callable[[str], None],
) -> Done:
    """Take the lock (`held`) or give it back. Raises FlotillaError, with the last answer, when that cannot be done.

    Asking again is always right: the same id may take what it holds, and give back what it does not. That includes an
    attempt that got no answer, after which the server may well have granted the lock.
    """
    goal = f"{'take' if held else 'release'} the reboot lock of {identity.id} in group {identity.group}"
    place = PRE_REBOOT if held else STEADY_STATE
    attempt = unanswered = 0
    while True:
        attempt += 1
        answer: Answer | None = None
        try:
            answer = server.post(place, identity)
            reason = f"{server.url} says {answer.sentence()}"
        except (OSError, http.client.HTTPException, TlsError) as exc:
            unanswered += 1
            reason = f"no answer from {server.url}: {_cause(exc)}"
        if answer is not None and answer.meaning is Meaning.GRANTED:
            return Done(answer, attempt)
        if (answer is not None and answer.meaning is Meaning.NEVER) or attempt > patience.retries:
            doubt = "; the server may hold the lock for it all the same" if held and unanswered else ""
            raise FlotillaError(
                f"cannot {goal}: {reason}{f' ({attempt} attempts)' if attempt > 1 else ''}{doubt}",
                attempts=attempt,
                uncertain=bool(held and unanswered),
                status=None if answer is None else answer.status,
                kind=None if answer is None else answer.kind,
                value=None if answer is None else answer.value,
            )
        pause = patience.pause(attempt, random.random())
        say(f"{reason}; asking again in {pause:.0f} s, {patience.retries - attempt + 1} attempts left")
        clock.sleep(pause)


def _rest(error: urllib.error.HTTPError) -> bytes:
    """Return the reason that came with a refusal; a refusal without one is still a refusal."""
    try:
        return error.read(BODY_LIMIT)
    except (OSError, http.client.HTTPException):
        return b""


def _cause(exc: BaseException) -> str:
    cause = getattr(exc, "reason", None) or exc
    return " ".join(str(cause).split()) or type(cause).__name__
