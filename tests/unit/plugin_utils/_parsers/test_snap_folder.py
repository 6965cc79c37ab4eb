# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of snaps: their list, the record of which one is followed, and what sha256sum says of installed snaps."""

from __future__ import annotations

import hashlib
import re

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Verification
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.snap_folder import (
    File,
    Folder,
    offered,
    parse_folder,
    parse_local_sums,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.snapd import SnapSet

A, B, C = "a" * 64, "b" * 64, "c" * 64
SIGN, NONE = Verification.SIGN, Verification.NONE
LIST = f"{A}  ./acme-os_2.0_amd64.snap\n{B} *acme-extra_1.snap\n{C}  ./other_1.snap\n{C}  README\n"
NAMES = ("acme-extra", "acme-os")


def test_what_is_listed_of_the_set() -> None:
    found = parse_folder(LIST, NAMES, NONE)
    assert found == {"acme-os": File("2.0", A), "acme-extra": File("1", B)}
    digest, version = offered(found, NONE)
    assert version == "acme-extra_1 acme-os_2.0"
    assert digest == hashlib.sha256(f"acme-extra_{B}+acme-os_{A}".encode()).hexdigest()
    # The same as of a host that has these files, whatever it counts them as.
    sums = {"acme-extra_x7": B, "acme-os_x12": A}
    assert SnapSet.parse("acme-extra_x7+acme-os_x12").digest_by(sums) == digest


def test_with_assertions_a_set_is_called_as_in_the_store() -> None:
    files = parse_folder(f"{A}  core24_1022.snap\n{B}  core24_1022.assert\n{C}  pc_196.snap\n", ("core24", "pc"), SIGN)
    assert offered(files, SIGN) == (SnapSet.parse("core24_1022+pc_196").digest, "core24_1022 pc_196")


@pytest.mark.parametrize(
    ("text", "verification", "cause"),
    [
        ("", NONE, "it names no file of acme-extra, acme-os, at ''"),
        (f"{B}  acme-extra_1.snap\n", NONE, "it names no file of acme-os"),
        (LIST + f"{C}  acme-os_3.0.snap\n", NONE, "it names several files of acme-os"),
        (LIST, SIGN, "./acme-os_2.0_amd64.snap has no revision, and verification is sign"),
        (LIST[:40], NONE, "a line is not as sha256sum prints it"),
        ("<html>\n", NONE, "a line is not as sha256sum prints it, at '<html>'"),
    ],
)
def test_lists_that_are_refused(text: str, verification: Verification, cause: str) -> None:
    with pytest.raises(CannotParse) as caught:
        parse_folder(text, NAMES, verification)
    assert cause in caught.value.message


def test_damaged_lists_are_read_right_or_refused() -> None:
    read = 0
    for changed in mutations(LIST, seed=7, count=10_000):
        try:
            found = parse_folder(changed, NAMES, NONE)
        except CannotParse:
            continue
        for name, file in found.items():
            assert re.search(rf"^{file.sum} [ *](\./)?{name}_{re.escape(file.label)}(_[^/ ]*)?\.snap$", changed, re.M)
        read += 1
    assert read


def test_the_record_of_what_is_followed() -> None:
    folder = Folder("https://files.example.org/", "stable/1", NONE)
    assert (folder.url, Folder.parse(folder.record)) == ("https://files.example.org/stable/1", folder)
    for text in ("", "https://files.example.org stable", "https://files.example.org stable gpg"):
        with pytest.raises(CannotParse, match="it is not SOURCE NAME VERIFICATION"):
            Folder.parse(text)


def test_sums_of_installed_snaps() -> None:
    assert parse_local_sums("\n") == {}
    assert parse_local_sums(f"{A}  /var/lib/snapd/snaps/a-b_x1.snap\n{B}  c_x12.snap\n") == {"a-b_x1": A, "c_x12": B}
    for text in (f"{A}  /a/c_12.snap", f"{A[1:]}  /a/c_x1.snap", f"{A}  /a/c_x1.snap and"):
        with pytest.raises(CannotParse, match="a line is not as sha256sum prints it"):
            parse_local_sums(text)
