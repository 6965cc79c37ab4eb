# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-sysupdate lists: every recording, output that is damaged, and definitions with their drop-ins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.shell import FILE_MARK
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.sysupdate import (
    Known,
    Transfer,
    Version,
    entry_id,
    parse_boot_files,
    parse_known,
    parse_offer,
    parse_transfers,
    parse_versions,
    tries_left,
)

RECORDED = Path(__file__).parents[2] / "fixtures/sysupdate"
LISTS = sorted(str(path.relative_to(RECORDED)) for path in RECORDED.glob("*/*list*json.stdout"))
DETAILS = sorted(name for name in LISTS if '"version"' in (RECORDED / name).read_text() and "pretty" not in name)
SHA = "0c3d8775e35323858d1e1d38f06244c50de79238c6243ebc9b9af9b0bf72c8c3"


def _read(name: str) -> str:
    return (RECORDED / name).read_text()


def _whole(*names: str) -> str:
    """A list of exactly those versions, and their details."""
    details = [_read(name) for name in names]
    versions = [json.loads(one)["version"] for one in details]
    return json.dumps({"current": versions[0], "all": versions}) + "\n" + "".join(details)


def _agrees(found: Version, text: str) -> bool:
    """Tell whether a version is what the document says of it, read without any of our code."""
    shown = json.loads(text)
    entries = [one for one in shown["contents"] if one["path"].lower().endswith((".efi", ".conf"))]
    pending = shown.get("pending", False) is True or shown.get("partial", False) is True
    return (
        (found.version, found.available, found.installed, found.incomplete, found.obsolete)
        == (
            shown["version"],
            shown["available"],
            shown["installed"] and not pending,
            shown["incomplete"],
            shown["obsolete"],
        )
        and found.entry == (entries[-1]["path"] if entries else None)
        and found.digest == (entries[-1].get("sha256") if entries else None)
    )


@pytest.mark.parametrize("name", DETAILS)
def test_recorded_version(name: str) -> None:
    (found,) = parse_versions(_whole(name))
    assert _agrees(found, _read(name))


@pytest.mark.parametrize("name", [name for name in LISTS if name not in DETAILS and "candidate" not in name])
def test_recorded_list_without_its_versions_is_refused_unless_it_has_none(name: str) -> None:
    text = _read(name)
    if "pretty" in name:
        with pytest.raises(CannotParse, match="not JSON"):
            parse_versions(text)
    elif json.loads(text)["all"]:
        with pytest.raises(CannotParse, match="details of none"):
            parse_versions(text)
    else:
        assert parse_versions(text) == ()


def test_what_is_acquired_has_another_word_for_current() -> None:
    assert "current+pending" in _read("262.1/list-after-acquire-json.stdout")
    with pytest.raises(CannotParse, match=r"versions 1\.1, 1\.0, and details of none"):
        parse_versions(_read("262.1/list-after-acquire-json.stdout"))


def test_what_is_only_acquired_is_not_installed() -> None:
    shown = json.loads(_read("262.1/list-version-current-json.stdout"))
    shown["pending"] = True
    (found,) = parse_versions(json.dumps({"current+pending": "1.1", "all": ["1.1"]}) + "\n" + json.dumps(shown))
    assert not found.installed


def test_recorded_offer() -> None:
    listed = _read("257.13-url/url-list-json.stdout")
    found = parse_offer(listed + _read("257.13-url/url-list-1.1-json.stdout"))
    assert found == Version("1.1", True, False, False, False, "http://127.0.0.1:8077/stable/uki_1.1.efi", SHA)
    after = _read("257.13-url/url-list-after-json.stdout")
    again = parse_offer(after + _read("257.13-url/url-list-1.0-after-json.stdout"))
    assert again is not None
    assert (again.installed, again.digest) == (True, None)
    assert parse_offer(listed) is None


def test_offer_of_a_local_source_has_the_sum_of_its_file() -> None:
    text = _read("257.13/list-candidate-json.stdout").replace("\n", "") + "\n"
    text += _read("257.13/list-version-candidate-json.stdout") + f"{SHA}  /tmp/su/src/uki_1.1.efi\n"
    found = parse_offer(text)
    assert found is not None
    assert found.digest == SHA


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda one: one.pop("version"), "a version has no name"),
        (lambda one: one.pop("contents"), "has no contents"),
        (lambda one: one.update(installed="yes"), "installed of version 1.1 is neither true nor false"),
        (lambda one: one.update(contents=[1]), "has no path"),
        (lambda one: one.update(contents=[{"path": "/a.efi", "sha256": "12"}]), "the SHA-256 of version 1.1 is '12'"),
        (lambda one: one.update(version="1.2"), r"versions 1\.1, and details of 1\.2"),
    ],
)
def test_what_is_not_known_is_refused(change: Any, cause: str) -> None:
    listed, _newline, details = _whole("257.13/list-version-current-json.stdout").partition("\n")
    shown = json.loads(details)
    change(shown)
    with pytest.raises(CannotParse, match=cause):
        parse_versions(f"{listed}\n{json.dumps(shown)}")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "it is empty"),
        ("{", "not JSON"),
        ("[]", "it is no object"),
        ("{}", "it does not say what is current"),
        ('{"current":null}', "it has no list of versions"),
        ('{"current":null,"all":[""]}', "it has no list of versions"),
    ],
)
@pytest.mark.parametrize("parse", [parse_versions, parse_offer])
def test_no_list(text: str, cause: str, parse: Any) -> None:
    with pytest.raises(CannotParse, match=cause):
        parse(text)


def test_an_offer_that_is_none() -> None:
    listed, there = _read("257.13-url/url-list-json.stdout"), _read("257.13-url/url-offline-list-1.0-json.stdout")
    with pytest.raises(CannotParse, match=r"version 1\.0 is not on offer"):
        parse_offer(listed + there)
    with pytest.raises(CannotParse, match="it has too many parts"):
        parse_offer(listed + there + there)


def test_mutations_are_read_right_or_refused() -> None:
    names = ("257.13/list-version-current-json.stdout", "257.13-url/url-offline-list-1.0-json.stdout")
    text = _whole(*names)
    read = 0
    for changed in mutations(text, seed=1, count=10_000):
        try:
            found = parse_versions(changed)
        except CannotParse as exc:
            assert exc.message.startswith("cannot parse the output of `systemd-sysupdate list`")
            continue
        lines = [line for line in changed.splitlines() if line.strip()]
        assert len(found) == len(lines) - 1
        assert [one.version for one in found] == json.loads(lines[0])["all"]
        assert all(_agrees(one, line) for one, line in zip(found, lines[1:], strict=True)), changed
        read += 1
    assert read, "not a single one was harmless: the mutations miss what they are for"


def test_mutations_of_an_offer() -> None:
    text = _read("257.13-url/url-list-json.stdout") + _read("257.13-url/url-list-1.1-json.stdout")
    read = 0
    for changed in mutations(text, seed=2, count=10_000):
        try:
            found = parse_offer(changed)
        except CannotParse:
            continue
        if found is not None:
            assert found.available
            assert found.digest is None or found.digest in changed
            read += 1
    assert read


# -- boot entries


@pytest.mark.parametrize(
    ("path", "identity", "tries"),
    [
        ("/boot/EFI/Linux/uki_1.1+2-1.efi", "uki_1.1.efi", 2),
        ("/boot/EFI/Linux/uki_1.1+3.efi", "uki_1.1.efi", 3),
        ("/boot/EFI/Linux/uki_1.1+0-3.efi", "uki_1.1.efi", 0),
        ("/boot/EFI/Linux/UKI_1.1.EFI", "uki_1.1.efi", None),
        ("/boot/loader/entries/os+1+3-0.conf", "os+1.conf", 3),
        ("uki_1.1.efi@1", "uki_1.1.efi", None),
        ("os+a.efi", "os+a.efi", None),
    ],
)
def test_id_and_tries_of_an_entry(path: str, identity: str, tries: int | None) -> None:
    assert (entry_id(path), tries_left(path)) == (identity, tries)


def test_boot_files() -> None:
    found = parse_boot_files(f"7 1795871401 {SHA} /boot/EFI/Linux/uki 1.1+3-0.efi\n8 2 - /boot/a.conf\n")
    assert [(one.id, one.size, one.mtime, one.tries_left, one.sha256) for one in found] == [
        ("uki 1.1.efi", 7, 1795871401, 3, SHA),
        ("a.conf", 8, 2, None, None),
    ]


@pytest.mark.parametrize("line", ["7 1 - boot/a.efi", "x 1 - /a.efi", "7 x - /a.efi", "7 1 ab /a.efi", "7 1 -"])
def test_boot_files_that_are_damaged(line: str) -> None:
    with pytest.raises(CannotParse, match="cannot parse the list of boot entries"):
        parse_boot_files(line)


def test_mutations_of_boot_files() -> None:
    text = "".join(f"{n} 179587{n} {SHA} /boot/EFI/Linux/uki_1.{n}+3-0.efi\n" for n in range(4))
    read = 0
    for changed in mutations(text, seed=3, count=10_000):
        try:
            found = parse_boot_files(changed)
        except CannotParse:
            continue
        assert len(found) == len([line for line in changed.splitlines() if line])
        read += 1
    assert read


def test_record() -> None:
    text = f"uki_1.1.efi 7 8 {SHA} 1.1 gpg\nuki_1.0.efi 7 8 {SHA} 1.0\nuki x 8 {SHA} 1.0 gpg\n"
    assert parse_known(text) == {("uki_1.1.efi", 7, 8): Known(SHA, "1.1", "gpg")}


def test_mutations_of_the_record() -> None:
    text = "".join(f"uki_1.{n}.efi {n} 179587{n} {SHA} 1.{n} gpg\n" for n in range(4))
    for changed in mutations(text, seed=4, count=10_000):
        for (identity, _size, _mtime), known in parse_known(changed).items():
            assert identity in changed
            assert known.digest in changed


# -- definitions


def _files(**files: str) -> str:
    return "".join(f"\n{FILE_MARK}{path}\n{content}\n" for path, content in files.items())


UKI = "[Transfer]\nProtectVersion=%A\n\n[Source]\nType=url-file\nPath=https://a.example/\nMatchPattern=uki_@v.efi\n"
UKI += "\n[Target]\nType=regular-file\nPath=/EFI/Linux\n"


def test_definitions_with_drop_ins() -> None:
    text = _files(
        **{
            "/usr/lib/sysupdate.d/20-uki.transfer": UKI,
            "/usr/lib/sysupdate.d/10-app.conf": "[Source]\nType=regular-file\nPath=/srv\n",
            "/etc/sysupdate.d/20-uki.transfer.d/90-flotilla.conf": "[Transfer]\nVerify=no\n[Source]\nPath=https://c/\n",
            "/run/sysupdate.d/20-uki.transfer.d/50-x.conf": "[Source]\nPath=https://b/\n",
            "/usr/lib/sysupdate.d/20-uki.transfer.d/90-flotilla.conf": "[Source]\nPath=https://d/\n",
            "/usr/share/other.transfer": "[Source]\nPath=/x\n",
        }
    )
    assert parse_transfers(text) == (
        Transfer("10-app.conf", "regular-file", "/srv", True),
        Transfer("20-uki.transfer", "url-file", "https://c/", False),
    )


def test_a_definition_of_the_administrator_replaces_the_image_s() -> None:
    text = _files(**{"/usr/lib/sysupdate.d/a.transfer": UKI, "/etc/sysupdate.d/a.transfer": "[Source]\n# Path=/a\n"})
    assert parse_transfers(text) == (Transfer("a.transfer", None, None, True),)


def test_mutations_of_definitions() -> None:
    text = _files(**{"/usr/lib/sysupdate.d/20-uki.transfer": UKI, "/etc/sysupdate.d/20-uki.transfer.d/9.conf": UKI})
    for changed in mutations(text, seed=5, count=10_000):
        for one in parse_transfers(changed):
            assert one.source is None or one.source in changed
