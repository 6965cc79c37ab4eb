# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host follows: left alone, predicted, switched and read back, or refused."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest
from bootc_recorded import recorded

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError, Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.outcome import Outcome
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import Verification
from ansible_collections.flotilla.container_os.plugins.plugin_utils._upgrade.channel import switch, validate

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nAAAA\n"


@pytest.fixture
def host(steady: Any, clock: Any) -> Any:
    """A host that can be told to follow another branch, and to trust another key."""
    steady.key, steady.clock = None, clock

    def set_origin(_host: Any) -> None:
        steady.channel = steady.asked

    def shown_keys(_host: Any) -> Result:
        text = (
            f"{hashlib.sha256(steady.key.encode()).hexdigest()}  /etc/ostree/remotes.d/lab.asc\n" if steady.key else ""
        )
        return Result("ostree.keys", "sha256sum", 0, text)

    def keep_key(_host: Any) -> None:
        steady.key = KEY

    steady.asked = "next"
    steady.acts.update({"channel.origin": set_origin, "channel.remote": lambda _host: None})
    steady.acts.update({"channel.keys": keep_key, "ostree.keys": shown_keys})
    return steady


def _switch(host: Any, wish: ChannelWish, check: bool) -> Outcome:
    return switch(host, host.clock, wish, check)


def _did(host: Any) -> list[str]:
    return [name for name in host.ran if name.startswith("channel.")]


def test_same_channel_is_left_alone(host: Any) -> None:
    result = _switch(host, ChannelWish("stable", "http://repo/", "lab"), check=False).result(diff=True)
    assert not result["changed"]
    assert "follows lab:stable (http://repo/, verification gpg) already" in result["msg"]
    assert _did(host) == []
    assert host.round_trips == 1


def test_switched_and_read_back(host: Any) -> None:
    result = _switch(host, ChannelWish("next"), check=False).result(diff=True)
    assert result["changed"]
    assert result["channel"] == {"name": "next", "source": "http://repo/", "verification": "gpg", "remote": "lab"}
    assert result["host_state"]["channel"]["name"] == "next"
    assert "channel.name: next" in result["diff"]["after"]
    assert host.round_trips == 2


def test_check_mode_predicts(host: Any) -> None:
    result = _switch(host, ChannelWish("next"), check=True).result(diff=True)
    assert result["changed"]
    assert result["host_state"]["channel"]["name"] == "next"
    assert host.channel == "stable"
    assert _did(host) == []


def test_new_key_alone_is_a_change_and_the_same_key_is_none(host: Any) -> None:
    host.asked = "stable"
    assert _switch(host, ChannelWish(keys=KEY), check=False).changed
    assert host.key == KEY
    assert not _switch(host, ChannelWish(keys=KEY), check=False).changed


def test_no_key_in_the_diff(host: Any) -> None:
    host.asked = "stable"
    result = _switch(host, ChannelWish(keys=KEY), check=False).result(diff=True)
    assert "keys: replaced" in result["diff"]["after"]
    assert "AAAA" not in str(result)


def test_switch_that_does_not_hold_is_an_error(host: Any) -> None:
    host.asked = "stable"
    with pytest.raises(FlotillaError, match=r"cannot make h1 follow lab:next .*: it follows lab:stable"):
        _switch(host, ChannelWish("next"), check=False)


def test_new_remote_needs_its_key_or_the_words(host: Any) -> None:
    wish = ChannelWish("stable", "http://other/", "other")
    with pytest.raises(Refused, match="verifies with gpg and has no key; give keys, or verification: none"):
        _switch(host, wish, check=False)
    with pytest.raises(Refused, match="its source is not known; give it"):
        _switch(host, ChannelWish("stable", None, "other"), check=False)
    assert _switch(host, ChannelWish("stable", "http://other/", "other", Verification.NONE), check=True).changed
    assert _did(host) == []


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (ChannelWish("a//b"), "cannot follow channel 'a//b'"),
        (ChannelWish("a b"), "cannot follow channel"),
        (ChannelWish("../x;y"), "cannot follow channel"),
        (ChannelWish(remote="a/b"), "cannot follow remote 'a/b'"),
        (ChannelWish(source="repo.example"), "cannot follow source"),
        (ChannelWish(source="http://x y"), "cannot follow source"),
        (ChannelWish(keys="ssh-ed25519 AAAA"), "no ASCII-armoured OpenPGP public key"),
    ],
)
def test_what_no_host_with_branches_can_follow_is_refused(host: Any, wish: ChannelWish, words: str) -> None:
    with pytest.raises(Refused, match=words):
        validate(wish)
    with pytest.raises(Refused):
        _switch(host, wish, check=False)
    assert _did(host) == []


@pytest.mark.parametrize(
    "wish",
    [
        ChannelWish(source="docker://quay.io/fedora/fedora-coreos", name="stable"),
        ChannelWish(source="docker://registry.example:5000/os", name=f"sha256:{'a' * 64}"),
        ChannelWish(source="oci:/var/lib/os", verification=Verification.SIGN),
    ],
)
def test_image_is_named_by_its_source_alone(host: Any, wish: ChannelWish) -> None:
    validate(wish)
    host.asked = None  # the stand-in follows branches only: it is asked all the same, and its answer is not believed
    with pytest.raises(FlotillaError, match=f"cannot make h1 follow .*{wish.source}"):
        _switch(host, wish, check=False)
    assert "channel.origin" in _did(host)


def test_how_the_mechanism_cannot_verify_is_refused(host: Any) -> None:
    with pytest.raises(Refused, match="cannot verify updates of h1 with policy: ostree knows gpg, sign, none only"):
        _switch(host, ChannelWish(verification=Verification.POLICY), check=False)
    assert _did(host) == []


# -- a mechanism that follows another channel only by staging it


@pytest.fixture
def image_host(steady: Any, clock: Any) -> Any:
    """A host of bootc: `follows` is the image of what is staged, or of what runs."""
    recording = json.loads(recorded("status-json-v1alpha1-booted-rollback"))
    steady.clock, steady.follows, steady.offered = clock, None, "quay.io/example/os:11"

    def status(_host: Any) -> Result:
        host = copy.deepcopy(recording)
        if steady.follows:
            staged = copy.deepcopy(host["status"]["rollback"])
            staged["ostree"]["deploySerial"] = 9
            image = {"image": steady.follows, "transport": "registry", "signature": "containerPolicy"}
            staged["image"]["image"] = host["spec"]["image"] = image
            host["status"]["staged"] = staged
        return Result("bootc.status", "bootc status", 0, json.dumps(host))

    def wait(_host: Any) -> Result:
        steady.follows = steady.offered
        rc, log = (0, "Queued for next boot") if steady.offered else (1, "error: Switching: manifest unknown")
        return Result("wait", "", 0, f"state=done\nrc={rc}\nkey=\nwhat=x\nlog:\n{log}\n")

    steady.acts.update({"bootc.status": status, "start": lambda _host: None, "wait": wait})
    return steady


WISH = ChannelWish("11", "quay.io/example/os")


def test_switch_that_stages_is_a_job_and_read_back(image_host: Any) -> None:
    result = _switch(image_host, WISH, check=False).result(diff=True)
    assert result["changed"]
    wanted = {"name": "11", "source": "docker://quay.io/example/os", "verification": "policy", "remote": None}
    assert result["channel"] == result["host_state"]["channel"] == wanted
    assert result["host_state"]["staged"]["origin"] == "docker://quay.io/example/os:11"
    assert "follows 11 (docker://quay.io/example/os, verification policy) now; 39.20231109.3" in result["msg"]
    again = _switch(image_host, WISH, check=False)
    assert not again.changed
    assert image_host.ran.count("start") == 1


def test_check_mode_says_what_is_replaced_and_stages_nothing(image_host: Any) -> None:
    image_host.follows = "quay.io/example/os:10"
    outcome = _switch(image_host, WISH, check=True)
    assert outcome.changed
    assert "and stage what it offers; 39.20231109.3 (92e476435ced), which is staged, is replaced" in outcome.why
    assert "start" not in image_host.ran


def test_switch_that_stages_nothing_is_an_error_with_its_cause(image_host: Any) -> None:
    image_host.offered = None
    with pytest.raises(FlotillaError, match=r"cannot make h1 follow 11 .* does not have it: manifest unknown"):
        _switch(image_host, WISH, check=False)


def test_nothing_is_staged_under_an_armed_guard_or_on_a_busy_host(image_host: Any) -> None:
    image_host.acts["jobs"] = lambda _host: Result("jobs", "", 0, "staging 3\n")
    with pytest.raises(Refused, match="the host is busy: staging 3"):
        _switch(image_host, WISH, check=False)
    image_host.arm(on_trial=True)
    with pytest.raises(Refused, match="the guard is armed; confirm or roll back first"):
        _switch(image_host, WISH, check=False)
