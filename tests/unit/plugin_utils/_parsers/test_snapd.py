# SPDX-License-Identifier: GPL-3.0-or-later
"""What snapd answers, and the modeenv: every recording, answers that are damaged, and sets of snaps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mutations import mutations

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.snapd import (
    TRY,
    TRYING,
    Change,
    Modeenv,
    Snap,
    SnapSet,
    parse_changes,
    parse_hold,
    parse_modeenv,
    parse_offer,
    parse_snaps,
    parse_validation_sets,
)

FOLDER = Path(__file__).parents[2] / "fixtures/snapd"


def recorded(name: str) -> str:
    return (FOLDER / name).read_text()


def _error(message: str, kind: str | None = None) -> str:
    result = {"message": message, **({"kind": kind} if kind else {})}
    return json.dumps({"type": "error", "status-code": 400, "status": "Bad Request", "result": result})


def _sync(result: object) -> str:
    return json.dumps({"type": "sync", "status-code": 200, "status": "OK", "result": result})


# -- every recording


def test_recorded_snaps() -> None:
    assert parse_snaps(recorded("api/snaps_empty.json")) == ()
    assert parse_snaps(recorded("api/base_snaps_one.json")) == (Snap("acme-base", "x4", "latest/edge", True, "1.1"),)
    assert parse_snaps(recorded("api/base_snaps_all_two_revisions.json")) == (
        Snap("acme-base", "x3", "latest/edge", False, "1.3"),
        Snap("acme-base", "x4", "latest/edge", True, "1.1"),
    )
    # A broken snap has no version, and no status unless it is active; a revision may be a number.
    broken = {one.name: (one.revision, one.active) for one in parse_snaps(recorded("api/snaps_with_notes.json"))}
    assert broken["br1"] == ("2", True)
    assert broken["dbr1"] == ("2", False)


def test_recorded_changes() -> None:
    assert parse_changes(recorded("api/base_changes_for_snap.json")) == ()
    assert parse_changes(recorded("api/changes_all_mixed.json")) == ()
    waiting = json.loads(recorded("api/uc_kernel_refresh_wait.json"))
    waiting["result"] = [waiting["result"]]
    refresh = Change("57", "refresh-snap", 'Refresh "pc-kernel" snap', "Wait")
    assert parse_changes(json.dumps(waiting)) == (refresh,)
    assert not refresh.harmless


def test_recorded_offers() -> None:
    assert parse_offer(recorded("api/find_refresh_none.json")) == {}
    assert parse_offer(recorded("api/snap_refresh_list_result.json")) == {"foo": "17"}
    assert parse_offer(_sync(json.loads(recorded("api/find_result_list.json"))))["libreoffice"] == "180"
    assert parse_offer(_error("all snaps are up-to-date", "snap-no-update-available")) == {}


def test_recorded_settings() -> None:
    assert parse_hold(recorded("api/conf_keys.json")) is None
    assert parse_hold(recorded("api/conf_option_not_found.json")) is None
    assert parse_hold(_sync({"refresh": {"hold": "forever"}})) == "forever"
    with pytest.raises(FlotillaError, match="cannot read snapd's settings: access denied"):
        parse_hold(recorded("api/conf_access_denied_401.json"))
    with pytest.raises(FlotillaError, match="cannot read snapd's list of changes: not found"):
        parse_changes(recorded("api/unknown_endpoint_404.json"))


def test_recorded_validation_sets() -> None:
    assert parse_validation_sets(recorded("api/validation_sets_none.json")) == ()
    assert parse_validation_sets(recorded("api/validation_sets_list.json")) == ("foo/baz",)
    pinned = {"account-id": "acme", "name": "os", "mode": "enforce", "pinned-at": 3, "sequence": 3, "valid": True}
    assert parse_validation_sets(_sync([pinned])) == ("acme/os=3",)


def test_recorded_modeenv() -> None:
    settled = parse_modeenv(recorded("boot/modeenv_uc24"))
    assert settled == Modeenv(
        "run", ("core24", "1006"), (("pc-kernel", "2488"),), None, "", "pc", "canonical/ubuntu-core-24-amd64", False
    )
    recover = parse_modeenv(recorded("boot/modeenv_recover_try_base"))
    assert (recover.mode, recover.try_base, recover.kernels) == ("recovery", ("core20", "124"), ())


@pytest.mark.parametrize(
    ("base_status", "kernel_status", "runs", "next_boot"),
    [
        ("", "", ("1006", "2488"), ("1006", "2488")),
        (TRY, TRY, ("1006", "2488"), ("1022", "2489")),
        (TRYING, TRYING, ("1022", "2489"), ("1006", "2488")),
        # The kernel never came up: the early boot code tries the new base all the same, with the old one.
        (TRYING, "", ("1022", "2488"), ("1006", "2488")),
    ],
)
def test_what_runs_and_what_boots_next(
    base_status: str, kernel_status: str, runs: tuple[str, str], next_boot: tuple[str, str]
) -> None:
    text = recorded("boot/modeenv_uc24").replace("pc-kernel_2488.snap", "pc-kernel_2488.snap,pc-kernel_2489.snap")
    text += "try_base=core24_1022.snap\n" + (f"base_status={base_status}\n" if base_status else "")
    modeenv = parse_modeenv(text)
    assert tuple(modeenv.boots(kernel_status, TRYING).values()) == runs
    assert tuple(modeenv.boots(kernel_status, TRY).values()) == next_boot


# -- sets


def test_a_set_has_one_name_and_one_digest() -> None:
    found = SnapSet.of({"snapd": "24509", "pc-kernel": "2489", "pc": "196", "core24": "1022"})
    assert found.id == "core24_1022+pc_196+pc-kernel_2489+snapd_24509"
    assert found.digest == "6552a835be53885d660126a72a70d6f407aac9918d42a5f9bc5670e8229580a7"
    assert found.version == "core24_1022 pc_196 pc-kernel_2489 snapd_24509"
    assert SnapSet.parse(found.id) == found
    assert found.from_store
    assert not SnapSet.of({"core24": "x1"}).from_store


def test_local_revisions_are_told_by_what_is_in_them() -> None:
    found = SnapSet.parse("core24_1022+pc-kernel_x3")
    assert found.digest_by({"pc-kernel_x3": "a" * 64}) == SnapSet.parse("core24_1022+pc-kernel_x9").digest_by(
        {"pc-kernel_x9": "a" * 64}
    )
    assert found.digest_by({"pc-kernel_x2": "a" * 64}) is None
    of_store = SnapSet.parse("core24_1022+pc-kernel_2489")
    assert of_store.digest_by({}) == of_store.digest


@pytest.mark.parametrize("text", ["", "core24", "core24_0", "b_1+a_1", "a_1+a_2", "A_1", "a_1+", "a_1 b_2", "-a_1"])
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(CannotParse, match="a set of snaps"):
        SnapSet.parse(text)


# -- what is not known is refused


@pytest.mark.parametrize(
    ("parse", "text", "cause"),
    [
        (parse_snaps, "", "it is empty"),
        (parse_snaps, "[", "not JSON"),
        (parse_snaps, "[]", "the answer is no object"),
        (parse_snaps, '{"type":"async","result":null}', "an answer of type 'async'"),
        (parse_snaps, '{"type":"sync"}', "without a result"),
        (parse_snaps, '{"type":"error","result":{}}', "message is None"),
        (parse_snaps, _sync({}), "the result is no list"),
        (parse_snaps, _sync(["x"]), "a snap is no object"),
        (parse_snaps, _sync([{"name": "a", "status": "removed", "revision": "1"}]), "status is 'removed'"),
        (parse_snaps, _sync([{"name": "a", "status": "", "revision": "1"}]), "status is ''"),
        (parse_snaps, _sync([{"name": "A!", "status": "active", "revision": "1"}]), "name is 'A!'"),
        (parse_snaps, _sync([{"name": "a", "status": "active", "revision": "unset"}]), "revision is 'unset'"),
        (parse_snaps, _sync([{"name": "a", "status": "active", "revision": "1"}] * 2), "two revisions"),
        (
            parse_snaps,
            _sync([{"name": "a", "status": "active", "revision": "1", "tracking-channel": 1}]),
            "tracking-channel is no text",
        ),
        (
            parse_changes,
            _sync([{"id": "1", "kind": "k", "summary": "s", "status": "Do"}]),
            "neither ready nor not",
        ),
        (parse_changes, _sync([{"id": 1}]), "id is 1"),
        (parse_offer, _sync([{"name": "a", "revision": "1"}, {"name": "a", "revision": "2"}]), "a occurs twice"),
        (parse_hold, _sync([1]), "the result is no object"),
        (parse_hold, _sync({"refresh": 3}), "refresh is no object"),
        (parse_hold, _sync({"refresh": {"hold": ""}}), "refresh.hold is ''"),
        (parse_validation_sets, _sync([{"account-id": "a", "name": "b", "mode": "x"}]), "a/b has no mode"),
        (parse_modeenv, "", "it is empty or cut off"),
        (parse_modeenv, "mode=run\nbase=core24_1.snap", "it is empty or cut off"),
        (parse_modeenv, "mode=run\nbase=core24_1.snap\n", "no mode or no current_kernels"),
        (parse_modeenv, "mode=run\ncurrent_kernels=k_1.snap\n", "'' is no file of a snap"),
        (parse_modeenv, "mode=run\nbase=b_1.snap\ncurrent_kernels=k\n", "'k' is no file of a snap"),
        (parse_modeenv, "mode=run\nbase=b_1.snap\ncurrent_kernels=k_1.snap\nbase_status=tried\n", "is 'tried'"),
        (parse_modeenv, "mode=run\nbase=b_1.snap\ncurrent_kernels=k_1.snap\nbase_status=try\n", "there is no try_base"),
    ],
)
def test_refused(parse: Callable[[str], object], text: str, cause: str) -> None:
    with pytest.raises(CannotParse) as caught:
        parse(text)
    assert caught.value.message.startswith("cannot parse ")
    assert cause in caught.value.message


# -- what arrives damaged is read as it stands there, or refused


def _plain(text: str) -> Any:
    return json.loads(text)["result"] or []


def _snaps_right(read: tuple[Snap, ...], text: str) -> bool:
    shown = [(one["name"], str(one["revision"]), one["status"] == "active") for one in _plain(text)]
    return [(one.name, one.revision, one.active) for one in read] == shown


def _changes_right(read: tuple[Change, ...], text: str) -> bool:
    shown = {(one["id"], one["kind"], one["status"]) for one in _plain(text) if not one["ready"]}
    return {(one.id, one.kind, one.status) for one in read} == shown


def _offer_right(read: dict[str, str], text: str) -> bool:
    answer = json.loads(text)
    return answer["type"] == "error" or read == {one["name"]: str(one["revision"]) for one in _plain(text)}


def _hold_right(read: str | None, text: str) -> bool:
    answer = json.loads(text)
    return answer["type"] == "error" or read == (_plain(text) or {}).get("refresh", {}).get("hold")


def _sets_right(read: tuple[str, ...], text: str) -> bool:
    return len(read) == sum(one["mode"] == "enforce" for one in _plain(text))


def _modeenv_right(read: Modeenv, text: str) -> bool:
    lines = text.splitlines()
    file = "{}_{}.snap".format
    return (
        f"mode={read.mode}" in lines
        and f"base={file(*read.base)}" in lines
        and (not read.kernels or any(line.startswith("current_kernels=") for line in lines))
        and all(file(*kernel) in text for kernel in read.kernels)
        and (not read.base_status or f"base_status={read.base_status}" in lines)
    )


HOLD = _sync({"refresh": {"hold": "2027-01-31T04:00:00Z", "retain": 3, "timer": "mon,04:00-05:00"}})
TRIED = "try_base=core24_1022.snap\nbase_status=try\n"


@pytest.mark.parametrize(
    ("parse", "text", "right"),
    [
        (parse_snaps, recorded("api/base_snaps_all_two_revisions.json"), _snaps_right),
        (parse_changes, recorded("api/changes_all_mixed.json"), _changes_right),
        (parse_offer, recorded("api/snap_refresh_list_result.json"), _offer_right),
        (parse_hold, HOLD, _hold_right),
        (parse_validation_sets, recorded("api/validation_sets_list.json"), _sets_right),
        (parse_modeenv, recorded("boot/modeenv_uc24") + TRIED, _modeenv_right),
    ],
    ids=["snaps", "changes", "offer", "hold", "validation sets", "modeenv"],
)
def test_mutations_are_read_right_or_refused(
    parse: Callable[[str], Any], text: str, right: Callable[[Any, str], bool]
) -> None:
    read = 0
    for changed in mutations(text, seed=len(text), count=10_000):
        try:
            found = parse(changed)
        except FlotillaError as exc:
            assert exc.message.startswith(("cannot parse ", "cannot read "))
            continue
        assert right(found, changed), changed
        read += 1
    assert read, "not a single one was harmless: the mutations miss what they are for"
