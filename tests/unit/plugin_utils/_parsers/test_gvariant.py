# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel arguments of a staged deployment, from the file that ostree 2025.2 wrote."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.gvariant import parse_strings

RECORDED = (Path(__file__).parents[2] / "fixtures/ostree/staged-deployment-kargs.od.txt").read_text()


def test_recorded_arguments_in_order() -> None:
    arguments = parse_strings(RECORDED, "kargs")
    assert arguments is not None
    assert arguments[:3] == ("root=LABEL=lab-root", "rw", "console=ttyS0")
    assert arguments[-1] == "flotilla.test=1"
    assert len(arguments) == 10


def test_absent_key_is_none() -> None:
    assert parse_strings(RECORDED, "no-such-key") is None


def test_key_of_another_type_is_refused() -> None:
    with pytest.raises(CannotParse, match="cannot parse the record of the staged deployment"):
        parse_strings(RECORDED, "target")


def test_damaged_files_are_refused_or_read_never_a_traceback() -> None:
    data = bytes.fromhex("".join(RECORDED.split()))
    dice = random.Random(7)
    refused = 0
    for _round in range(5000):
        damaged = bytearray(data[: dice.randrange(1, len(data) + 1)])
        for _hit in range(dice.randrange(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            parse_strings(damaged.hex(" "), "kargs")
        except CannotParse:
            refused += 1
    assert refused > 1000
