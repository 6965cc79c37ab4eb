# SPDX-License-Identifier: GPL-3.0-or-later
"""OSTree's remotes, for the drivers that pull from them: ostree.repo-config(5)."""

from __future__ import annotations

import re

from .._model.host import Result, Step
from .._model.shell import print_files, quote, write_file
from .._model.state import Channel, Verification

REMOTES_DIR = "/etc/ostree/remotes.d"
REPO_CONFIG = "/ostree/repo/config"


def remotes_probe() -> str:
    """Return sh that prints the files in which remotes stand."""
    return print_files(f"{REMOTES_DIR}/*.conf", REPO_CONFIG)


def keys_probe() -> str:
    """Return sh that prints the SHA-256 of each key file that we gave a remote."""
    return f"! ls {REMOTES_DIR}/*.asc >/dev/null 2>&1 || sha256sum {REMOTES_DIR}/*.asc"


def trusted_keys(shown: Result, channel: Channel) -> str | None:
    """Return the SHA-256 of the key file of the channel's remote, None where there is none."""
    path = f"{REMOTES_DIR}/{channel.remote}.asc"
    return next((line.split()[0] for line in shown.stdout.splitlines() if line.endswith(path)), None)


def remote_steps(remote: str, source: str, verification: Verification, keys: str | None) -> list[Step]:
    """Steps that make `remote` lead to `source` and be verified so; each is required, each is safe to repeat.

    An existing file keeps what it says beyond that (proxy, TLS).
    """
    path, key_path = f"{REMOTES_DIR}/{remote}.conf", f"{REMOTES_DIR}/{remote}.asc"
    lines = [f'[remote "{remote}"]', f"url={source}"]
    lines.append(f"gpg-verify={str(verification is Verification.GPG).lower()}")
    if verification is Verification.SIGN:
        lines.append("sign-verify=true")
    ours = "url|gpg-verify|sign-verify" + ("|gpgkeypath" if keys is not None else "")
    steps = []
    if keys is not None:
        steps.append(Step("channel.keys", write_file(key_path, keys), required=True))
        lines.append(f"gpgkeypath={key_path}")
    body = "\n".join(lines) + "\n"
    head, fresh, target = f'[remote "{remote}"]', quote(f"{path}.new"), quote(path)
    section = quote(f"/^{re.escape(head)}/,/^\\[/p")
    steps.append(
        Step(
            "channel.remote",
            f"mkdir -p {REMOTES_DIR} && "
            f"kept=$(sed -n {section} {REPO_CONFIG} 2>/dev/null; [ ! -f {target} ] || cat {target}) && "
            f"{{ printf '%s' {quote(body)}; printf '%s\\n' \"$kept\" | sed -E '/^\\[/d; /^({ours})=/d; /^$/d'; }} "
            f">{fresh} && {{ sync {fresh} 2>/dev/null || sync; }} && "
            # What an installer wrote into the repository's own file moves: standing in two is an error of every tool.
            f"{{ ! grep -qsF {quote(head)} {REPO_CONFIG} || ostree remote delete {quote(remote)}; }} && "
            f"mv -f {fresh} {target}",
            required=True,
        )
    )
    return steps
