# SPDX-License-Identifier: GPL-3.0-or-later
"""OSTree's remotes, for the drivers that pull from them: ostree.repo-config(5)."""

from __future__ import annotations

from .._model.host import Result, Step
from .._model.shell import print_files, quote, write_file
from .._model.state import Channel, Verification

REMOTES_DIR = "/etc/ostree/remotes.d"


def remotes_probe() -> str:
    """Return sh that prints the files in which remotes stand."""
    return print_files(f"{REMOTES_DIR}/*.conf", "/ostree/repo/config")


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
    steps.append(
        Step(
            "channel.remote",
            f"mkdir -p {REMOTES_DIR} && {{ printf '%s' {quote(body)}; "
            f"[ ! -f {quote(path)} ] || sed -E '/^\\[/d; /^({ours})=/d' {quote(path)}; }} >{quote(path)}.new && "
            f"{{ sync {quote(path)}.new 2>/dev/null || sync; }} && mv -f {quote(path)}.new {quote(path)}",
            required=True,
        )
    )
    return steps
