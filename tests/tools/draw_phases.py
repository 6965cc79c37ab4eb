# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the life of a host into docs/concepts.md, from the table of transitions."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".collections"))
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import TRANSITIONS  # noqa: E402

DOCUMENT = ROOT / "docs/concepts.md"
BEGIN, END = "<!-- phases:begin -->\n", "<!-- phases:end -->"


def drawing() -> str:
    """Return the diagram, in Mermaid's words."""
    arrows = [f"    {one.value} --> {other.value}" for one, others in TRANSITIONS.items() for other in others]
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            "    [*] --> steady",
            *arrows,
            "    confirmed --> [*]",
            "```",
            "",
        ]
    )


def main() -> None:
    before, _begin, rest = DOCUMENT.read_text().partition(BEGIN)
    _old, _end, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}{drawing()}{END}{after}")


if __name__ == "__main__":
    main()
