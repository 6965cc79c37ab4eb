# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what works where, and how that is proven, into docs/support-matrix.md and README.md.

From three sources: what the drivers can do (their capabilities in the code), what the conformance suite has proven
(tests/conformance/proven.json, written by `make conformance`), and what each family's cases.yml says of real machines.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT / "tests/conformance")]
from family import Family, load, names  # noqa: E402

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import (  # noqa: E402
    DRIVERS,
    capabilities,
)

BEGIN, END = "<!-- support:begin -->\n", "<!-- support:end -->"
PROVEN = ROOT / "tests/conformance/proven.json"
# The verbs, the column's title, and the capability that a driver needs for it (None: every driver has it).
VERBS: dict[str, tuple[str, str | None]] = {
    "observe": ("observe", None),
    "channel": ("switch channel", "switch_channel"),
    "stage": ("stage", "stage"),
    "boot": ("boot, prove", None),
    "confirm": ("confirm", None),
    "guard": ("guard: not confirmed", "guard"),
    "boot_counting": ("guard: never up", None),
    "rollback": ("roll back", "rollback"),
    "updater": ("hold, release updater", "hold_updater"),
    "arguments": ("kernel arguments", "kernel_arguments"),
    "faults": ("faults told", None),
}
UNPROVEN, LACKING = "unproven", "no"


def cell(family: Family, verb: str, can: tuple[str, ...], proven: list[str]) -> str:
    """Return how `verb` stands for a family: VM, sim, both, not there, or there and not proven."""
    needed = VERBS[verb][1]
    if (needed and needed not in can) or (verb == "boot_counting" and family.never_up is None):
        return LACKING
    ways = [*(["VM"] if verb in family.on_machines else []), *(["sim"] if verb in proven else [])]
    return ", ".join(ways) or UNPROVEN


def matrix() -> str:
    proven = json.loads(PROVEN.read_text())
    can = {driver.name: capabilities(driver) for driver in DRIVERS}
    lines = [
        f"| family | driver | {' | '.join(title for title, _capability in VERBS.values())} |",
        "|---" * (2 + len(VERBS)) + "|",
    ]
    for name in names():
        family = load(name)
        cells = [cell(family, verb, can[family.driver], proven.get(name, [])) for verb in VERBS]
        lines.append(f"| `{name}` | `{family.driver}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary() -> str:
    """Return the short form: a line for each family."""
    lines = ["| mechanism | families | proven |", "|---|---|---|"]
    for name in names():
        family = load(name)
        where = "on real virtual machines and on simulated hosts" if family.on_machines else "on simulated hosts"
        lines.append(f"| `{family.driver}` | {family.systems} | {where} |")
    return "\n".join(lines) + "\n"


def drawn(text: str, drawing: str) -> str:
    """Return `text` with what stands between the marks replaced."""
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return f"{before}{BEGIN}{drawing}{END}{after}"


DOCUMENTS = {ROOT / "docs/support-matrix.md": matrix, ROOT / "README.md": summary}


def main() -> None:
    for document, drawing in DOCUMENTS.items():
        document.write_text(drawn(document.read_text(), drawing()))


if __name__ == "__main__":
    main()
