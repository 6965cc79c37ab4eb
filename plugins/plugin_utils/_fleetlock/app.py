# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock server as a web application: requests in, the service asked, the protocol's answers out."""

from __future__ import annotations

import logging
from collections.abc import Callable

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
except ImportError:  # said by the server, in words
    Starlette = None  # type: ignore[assignment, misc]

from .protocol import (
    BODY_LIMIT,
    HEADER,
    PRE_REBOOT,
    STATUS,
    STEADY_STATE,
    Identity,
    Kind,
    ProtocolError,
    read_request,
)
from .service import LockService

LOG = logging.getLogger("flotilla.fleetlock")


def is_installed() -> bool:
    """Tell whether the web framework is there; only the server needs it."""
    return Starlette is not None


def application(service: LockService) -> Starlette:
    """Return the application around `service`."""

    def locking(place: str, use: Callable[[Identity], bool], done: tuple[str, str]) -> Route:
        async def answer(request: Request) -> Response:
            who = read_request(request.headers.get(HEADER), await _body(request))
            try:
                changed = await run_in_threadpool(use, who)
            except ProtocolError as exc:
                cause = "" if exc.__cause__ is None else f" ({exc.__cause__})"
                LOG.warning("%s refused: id=%s group=%s %s: %s%s", place, who.id, who.group, exc.kind.value, exc, cause)
                raise
            LOG.info("%s: id=%s group=%s %s", place, who.id, who.group, done[0] if changed else done[1])
            return JSONResponse({"kind": "ok", "value": done[0] if changed else done[1], "changed": changed})

        return Route(place, answer, methods=["POST"])

    async def status(_request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(service.status))

    return Starlette(
        routes=[
            locking(PRE_REBOOT, service.pre_reboot, ("obtained reboot lock", "retained reboot lock")),
            locking(STEADY_STATE, service.steady_state, ("released reboot lock", "held no reboot lock")),
            Route("/v1/status", status, methods=["GET"]),
        ],
        exception_handlers={ProtocolError: _refused, HTTPException: _no_such_thing, Exception: _broken},
    )


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > BODY_LIMIT:
                raise ProtocolError(Kind.DECODE_ERROR, f"error decoding message: more than {BODY_LIMIT} bytes")
    except ClientDisconnect as exc:
        raise ProtocolError(Kind.DECODE_ERROR, "error decoding message: it was cut off") from exc
    return body


async def _refused(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, ProtocolError):  # it is registered for nothing else
        raise exc
    return JSONResponse(exc.body(), STATUS[exc.kind])


async def _no_such_thing(_request: Request, exc: Exception) -> Response:
    status = exc.status_code if isinstance(exc, HTTPException) else 404
    kind, value = (
        (Kind.METHOD_NOT_ALLOWED, "required method POST, or GET for the status")
        if status == 405
        else (Kind.NOT_FOUND, "nothing is here")
    )
    return JSONResponse(ProtocolError(kind, value).body(), STATUS[kind])


async def _broken(_request: Request, _exc: Exception) -> Response:
    # Logged with its traceback by the server; whoever asked gets a no.
    return JSONResponse(ProtocolError(Kind.INTERNAL_ERROR, "internal error; no lock is granted").body(), 500)
