# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the manifest of a lab image as JSON: what the repository serves and what the image boots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REF_PREFIX = "lab/x86_64/"


def main(work: str, files: str, key: str) -> None:
    versions: dict[str, dict[str, object]] = {}
    for line in Path(files, "versions.tsv").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        name, version, signer, change = line.split()
        ref = REF_PREFIX + name
        digest = subprocess.run(
            ["ostree", f"--repo={work}/repo", "rev-parse", ref], check=True, capture_output=True, text=True
        ).stdout.strip()
        versions[name] = {
            "ref": ref,
            "version": version,
            "digest": digest,
            "signed": signer != "-",
            "trusted": signer == "lab" and change != "tampered",
            "kind": change,
        }
    manifest = {
        "key": key,
        "image": "base.qcow2",
        "repository": "repo",
        "public_key": "keys/lab.asc",
        "osname": "lab",
        "remote": "lab",
        "origin": f"lab:{REF_PREFIX}stable",
        "booted": "v1",
        "ref_prefix": REF_PREFIX,
        "signing_key": Path(work, "keys", "lab.id").read_text(encoding="ascii").strip(),
        "versions": versions,
    }
    print(json.dumps(manifest, indent=2, sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
