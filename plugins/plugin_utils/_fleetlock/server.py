# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock server as a process.

python -m ansible_collections.flotilla.container_os.plugins.plugin_utils._fleetlock.server --help
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

try:
    import uvicorn
except ImportError:  # said by main, in words
    uvicorn = None  # type: ignore[assignment]

from .._errors import FlotillaError, Refused
from .._rollout.ledger import Ledger
from .app import LOG, application, is_installed
from .budget import Group
from .protocol import ProtocolError
from .service import LEASE, MAX_LOST, LockService, Terms

LEDGER_VARIABLE = "FLOTILLA_LEDGER"
# How long (s) requests under way may take when the server is told to stop.
_STOP_PATIENCE = 10
# Requests at a time beyond which the rest gets 503 at once: they hold nothing, and ask again.
_MOST_REQUESTS = 1000


def read_group(text: str) -> Group:
    """Read NAME=SLOTS or NAME=SLOTS@ROLLOUT. Raises Refused."""
    name, _equals, rest = text.partition("=")
    slots, at, rollout = rest.partition("@")
    if not slots.isdecimal() or (at and not rollout):
        raise Refused(f"cannot read the group {text!r}: it must be NAME=SLOTS or NAME=SLOTS@ROLLOUT")
    return Group(name, int(slots), rollout or None)


def read_address(text: str) -> tuple[str, int]:
    """Read ADDRESS:PORT, an IPv6 address in brackets. Raises Refused."""
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Refused(f"cannot listen on {text!r}: it must be ADDRESS:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fleetlock_server",
        description="Reboot locks (FleetLock) for hosts that update themselves, on the budget of the rollouts.",
    )
    parser.add_argument(
        "--ledger",
        help=f"the ledger, as a URL of SQLAlchemy; default: the variable {LEDGER_VARIABLE}, which `ps` does not show",
    )
    parser.add_argument("--listen", default="127.0.0.1:3333", help="ADDRESS:PORT (default: %(default)s)")
    parser.add_argument(
        "--group",
        action="append",
        metavar="NAME=SLOTS[@ROLLOUT]",
        help="hosts that may reboot at a time in a group; with @ROLLOUT it shares the budget of that rollout alone, "
        "without it of all of them; may be repeated (default: default=1)",
    )
    parser.add_argument(
        "--lease",
        type=int,
        default=LEASE,
        metavar="SECONDS",
        help="how long a lock counts when its host does not report back (default: %(default)s)",
    )
    parser.add_argument(
        "--max-lost",
        type=int,
        default=MAX_LOST,
        metavar="HOSTS",
        help="hosts that may never report back before the breaker trips (default: %(default)s)",
    )
    parser.add_argument(
        "--tls-cert", metavar="FILE", help="certificate chain, PEM; with --tls-key the server speaks https"
    )
    parser.add_argument("--tls-key", metavar="FILE", help="private key, PEM")
    return parser


def main(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Serve until told to stop; return the exit code. What cannot be started says why on stderr."""
    options = arguments().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        if uvicorn is None or not is_installed():
            raise Refused(
                "cannot start the lock server: Starlette and uvicorn are not installed (pip install starlette uvicorn)"
            )
        url = options.ledger or environment.get(LEDGER_VARIABLE)
        if not url:
            raise Refused(f"cannot start the lock server: it needs --ledger or the variable {LEDGER_VARIABLE}")
        if bool(options.tls_cert) != bool(options.tls_key):
            raise Refused("cannot start the lock server: --tls-cert and --tls-key belong together")
        host, port = read_address(options.listen)
        terms = Terms([read_group(text) for text in options.group or ["default=1"]], options.lease, options.max_lost)
        app = application(LockService(Ledger(url), terms))
    except (FlotillaError, ProtocolError) as exc:
        LOG.error("%s", exc)
        return 1
    shown = ", ".join(f"{one.name}={one.slots}" + (f"@{one.rollout}" if one.rollout else "") for one in terms.groups)
    LOG.info(
        "serving reboot locks on %s: %s; lease %s s, max lost %s", options.listen, shown, terms.lease, terms.max_lost
    )
    uvicorn.run(
        app,
        host=host,
        port=port,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_REQUESTS,
        timeout_graceful_shutdown=_STOP_PATIENCE,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
