# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootc driver: whose host it is, what is seen, what is refused, and its shell functions by real shells."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bootc_recorded import FOLDER, NAMES, recorded

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import (
    ChannelWish,
    reason_for_lack,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.bootc import (
    NOT_HERE,
    NOT_OFFERED,
    Bootc,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS, capabilities
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse, Refused, ToolFailed
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.state import (
    Channel,
    Deployment,
    HostState,
    Os,
    Position,
    Verification,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.bootc import RAW_MARK, parse_status

DRIVER = Bootc()
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
OLD, NEW, BAD = (f"sha256:{letter * 64}" for letter in "abc")
SOURCE = "docker://quay.io/example/os"
CHANNEL = Channel("10", SOURCE, Verification.POLICY)


def _results(text: str, rc: int = 0, busy: str = "", stderr: str = "") -> dict[str, Result]:
    return {
        "bootc.status": Result("bootc.status", "bootc status", rc, text, stderr),
        "bootc.busy": Result("bootc.busy", "sh", rc, busy),
    }


def _entry(letter: str, position: Position | None, serial: int = 0, origin: str | None = f"{SOURCE}:10") -> Deployment:
    return Deployment(f"{letter * 64}.{serial}", letter, f"sha256:{letter * 64}", origin, position)


def _state(**changes: Any) -> HostState:
    booted, rollback = _entry("a", Position.BOOTED), _entry("c", Position.ROLLBACK)
    state = HostState("bootc", Os(), "boot-0", booted, None, rollback, (booted, rollback), CHANNEL)
    return replace(state, **changes)


# -- whose host it is, and what is seen


@pytest.mark.parametrize("sort_keys", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_recorded_hosts(name: str, sort_keys: bool) -> None:
    results = _results(recorded(name, sort_keys))
    expected = json.loads((FOLDER / f"expected/{name}.json").read_text())
    assert DRIVER.present(results) is expected.pop("present")
    seen = native(DRIVER.observe(results))
    assert {key: seen[key] for key in expected} == expected


def test_a_host_without_bootc_or_not_managed_by_it_is_not_ours() -> None:
    assert not DRIVER.present(_results("", rc=NOT_HERE))
    assert not DRIVER.present(_results(recorded("status-json-v1-null")))
    assert not DRIVER.present(_results(recorded("status-yaml-plain-ostree-incompatible")))


def test_a_host_that_also_has_rpm_ostree_is_asked_for_bootc_first() -> None:
    order = [driver.name for driver in DRIVERS]
    assert order.index("bootc") < order.index("ostree")
    assert "rpm_ostree" not in order or order.index("bootc") < order.index("rpm_ostree")


def test_where_bootc_gives_no_answer_no_layer_below_takes_the_host() -> None:
    failed = _results(
        "", rc=1, stderr="error: Status: Initializing storage: Acquiring Sysroot: No space left on device"
    )
    assert DRIVER.present(failed)
    with pytest.raises(ToolFailed, match=r"cannot read the deployments: .*exited with 1.*No space left on device"):
        DRIVER.observe(failed)
    cut = _results(recorded("status-json-v1alpha1-booted-rollback")[:700])
    assert DRIVER.present(cut)
    with pytest.raises(CannotParse, match="cannot parse the output of `bootc status`: not JSON"):
        DRIVER.observe(cut)


def test_what_is_only_downloaded_is_not_the_next_boot() -> None:
    view = DRIVER.observe(_results(recorded("status-yaml-staged-download-only")))
    assert view.staged is None
    assert [one.position for one in view.deployments] == [Position.BOOTED, Position.DOWNLOADED]


def test_a_queued_rollback_is_the_next_boot() -> None:
    host = json.loads(recorded("status-json-v1alpha1-booted-rollback"))
    host["status"]["rollbackQueued"] = True
    view = DRIVER.observe(_results(json.dumps(host)))
    assert view.rollback == view.staged == view.deployments[0]
    assert view.staged is not None
    assert view.staged.position is Position.PENDING


def test_busy_with_a_bootc_that_writes() -> None:
    text = recorded("status-json-v1alpha1-booted-rollback")
    busy = "bootc status --json \nbootc upgrade --apply --quiet \n"
    assert DRIVER.observe(_results(text, busy=busy)).busy == "bootc upgrade --apply --quiet is running"
    assert DRIVER.observe(_results(text, busy="bootc status \n")).busy is None


def test_capabilities_and_what_is_lacking() -> None:
    assert capabilities(DRIVER) == ("guard", "hold_updater", "rollback", "stage", "switch_channel")
    assert "/usr/lib/bootc/kargs.d" in reason_for_lack(DRIVER, "kernel_arguments")
    assert reason_for_lack(DRIVER, "pin") == "the bootc mechanism has no way to do that"


# -- what the channel offers


def test_offer() -> None:
    shown = json.dumps({"Digest": NEW, "Architecture": "amd64", "Labels": {"version": "10.1"}})
    found = DRIVER.offer(Result("offer", "sh", 0, f"{shown}\n{RAW_MARK}\n{{}}"), _state())
    assert (found.digest, found.version) == (NEW, "10.1")


def test_no_offer() -> None:
    with pytest.raises(Refused, match="rpm-ostree has changed it"):
        DRIVER.offer(Result("offer", "sh", 0, ""), _state(channel=None))
    with pytest.raises(ToolFailed, match=r"cannot ask docker://quay.io/example/os:10 for updates: .*i/o timeout"):
        DRIVER.offer(Result("offer", "sh", 1, "", "dial tcp: i/o timeout"), _state())


# -- staging


def test_stage_takes_the_digest_of_an_image_only() -> None:
    for digest in ("a" * 64, "latest", "sha256:$(reboot)", "sha256:" + "A" * 64):
        with pytest.raises(Refused, match="sha256: and 64 hexadecimal digits"):
            DRIVER.stage(_state(), digest, allow_downgrade=False)


def test_what_is_downloaded_is_released_and_not_fetched_again() -> None:
    downloaded = _entry("b", Position.DOWNLOADED)
    state = _state(deployments=(_entry("a", Position.BOOTED), downloaded))
    assert DRIVER.stage(state, NEW, allow_downgrade=False) == "bootc upgrade --from-downloaded"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins: skopeo tells what the files `digest` and `raw` say; bootc notes how it is called."""
    (tmp_path / "skopeo").write_text(
        f'#!/bin/sh\necho "skopeo $*" >>{tmp_path}/calls\n'
        f'case "$*" in *--raw*) cat {tmp_path}/raw ;; *--format*) cat {tmp_path}/digest ;; '
        f'*) printf \'{{\\n  "Digest": "%s"\\n}}\\n\' "$(cat {tmp_path}/digest)" ;; esac\n'
    )
    (tmp_path / "bootc").write_text(
        f'#!/bin/sh\ncase $1 in status) cat {tmp_path}/status ;; *) echo "bootc $*" >>{tmp_path}/calls ;; esac\n'
    )
    for tool in ("skopeo", "bootc"):
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("offered", "raw", "rc"),
    [(NEW, "{}", 0), (OLD, json.dumps({"manifests": [{"digest": NEW}]}), 0), (OLD, "{}", NOT_OFFERED)],
    ids=["the image itself", "one of an index", "the tag has moved"],
)
def test_only_what_the_channel_offers_is_pulled(tools: Path, shell: list[str], offered: str, raw: str, rc: int) -> None:
    (tools / "digest").write_text(offered)
    (tools / "raw").write_text(raw)
    script = DRIVER.stage(_state(), NEW, allow_downgrade=False)
    done = subprocess.run([*shell, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == rc
    pulled = "bootc upgrade --quiet" in (tools / "calls").read_text().splitlines()
    assert pulled is (rc == 0)
    if rc:
        cause = DRIVER.explain(_state(), NEW, done.stderr)
        assert cause is not None
        assert f"it is not what the channel offers: channel offers {OLD} now" in cause
        assert "update_channel with the digest as channel" in cause


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_offer_probe_asks_for_the_very_manifest_that_was_shown(tools: Path, shell: list[str]) -> None:
    (tools / "status").write_text(recorded("status-json-v1alpha1-booted-rollback"))
    (tools / "digest").write_text(NEW)
    (tools / "raw").write_text("{}")
    step = DRIVER.offer_probe()
    done = subprocess.run([*shell, "-c", step.script], capture_output=True, text=True, check=True)
    assert done.stdout == f'{{\n  "Digest": "{NEW}"\n}}\n{RAW_MARK}\n{{}}'
    assert (tools / "calls").read_text().splitlines() == [
        "skopeo inspect --no-tags docker://192.168.124.1:5000/bootc-insights:latest",
        f"skopeo inspect --raw docker://192.168.124.1:5000/bootc-insights@{NEW}",
    ]


def test_probes_on_a_host_of_another_kind_end_at_once() -> None:
    if shutil.which("bootc"):
        pytest.skip("this machine has bootc")
    for step in (*DRIVER.probes(), DRIVER.offer_probe()):
        assert subprocess.run(["sh", "-c", step.script], capture_output=True, check=False).returncode == NOT_HERE


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        ("error: Upgrading: ... A signature was required, but no signature exists", "it is not signed"),
        ("error: Upgrading: cryptographic signature verification failed: x", "its signature is not accepted"),
        ('Running image docker://x is rejected by policy."', "policy forbids it"),
        (
            "containers-policy.json specifies a default of `insecureAcceptAnything`; refusing usage",
            "policy forbids it",
        ),
        ("error: Deployment contains local rpm-ostree modifications; cannot", "changed with rpm-ostree"),
        ("Insufficient free space for quay.io/x (available: 1 required: 2)", "the disk is full"),
        ("reading manifest x in quay.io/y: manifest unknown", "the registry does not have it"),
        ("unauthorized: access to the requested resource is not authorized", "refuses the credentials"),
        ('pinging container registry q: Get "https://q/v2/": dial tcp', "does not answer as it should"),
        ("error: something new", "error: something new"),
    ],
)
def test_causes(log: str, meaning: str) -> None:
    assert meaning in str(DRIVER.explain(_state(), NEW, f"Fetching\n{log}\n"))


def test_nothing_said_is_no_cause() -> None:
    assert DRIVER.explain(_state(), NEW, "") is None
    assert DRIVER.explain(_state(channel=None), NEW, "error: x") == "error: x"


def test_unstage() -> None:
    assert "ostree admin undeploy 0" in DRIVER.unstage(_state(staged=_entry("b", Position.STAGED))).script
    queued = DRIVER.unstage(_state(staged=_entry("c", Position.PENDING)))
    assert queued.script.endswith(f"make_default {'a' * 64}.0")
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())
    with pytest.raises(Refused, match="no command for it where composefs boots"):
        DRIVER.unstage(_state(staged=replace(_entry("b", Position.STAGED), id="b" * 128)))


# -- rolling back


def test_only_the_rollback_entry_can_be_gone_back_to() -> None:
    step = DRIVER.roll_back(_state(), _entry("c", Position.ROLLBACK))
    assert step.required
    assert step.script.endswith(f"make_default {'c' * 64}.0")
    with pytest.raises(Refused, match="bootc goes back to its rollback entry alone, which is sha256:ccc"):
        DRIVER.roll_back(_state(), _entry("b", None))
    plain = _entry("c", Position.ROLLBACK, origin=None)
    with pytest.raises(Refused, match="it is no container image, which bootc refuses"):
        DRIVER.roll_back(_state(rollback=plain), plain)


# -- what is followed


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        (ChannelWish(), CHANNEL),
        (ChannelWish("11"), Channel("11", SOURCE, Verification.POLICY)),
        (ChannelWish(NEW), Channel(NEW, SOURCE, Verification.POLICY)),
        (ChannelWish(source="quay.io/example/os"), CHANNEL),
        (ChannelWish(source="quay.io/new/os"), Channel("latest", "docker://quay.io/new/os", Verification.POLICY)),
        (ChannelWish("1", "10.0.0.1:5000/os"), Channel("1", "docker://10.0.0.1:5000/os", Verification.POLICY)),
        (ChannelWish(source="dir:/mnt/os"), Channel(None, "dir:/mnt/os", Verification.POLICY)),
        (ChannelWish(verification=Verification.NONE), Channel("10", SOURCE, Verification.NONE)),
    ],
)
def test_wanted_channel(wish: ChannelWish, wanted: Channel) -> None:
    assert DRIVER.wanted_channel(CHANNEL, wish) == wanted


@pytest.mark.parametrize(
    ("before", "wish", "words"),
    [
        (CHANNEL, ChannelWish("a b"), "neither a tag nor the digest"),
        (CHANNEL, ChannelWish("-x"), "neither a tag nor the digest"),
        (CHANNEL, ChannelWish(source="quay.io"), "no REGISTRY/REPOSITORY"),
        (CHANNEL, ChannelWish(source="http://quay.io/x"), "no REGISTRY/REPOSITORY"),
        (CHANNEL, ChannelWish(keys="x"), "it trusts what /etc/containers/policy.json says"),
        (CHANNEL, ChannelWish(remote="x"), "it trusts what /etc/containers/policy.json says"),
        (CHANNEL, ChannelWish(verification=Verification.GPG), "cannot make bootc verify with gpg"),
        (None, ChannelWish("11"), "give source"),
    ],
)
def test_what_cannot_be_followed(before: Channel | None, wish: ChannelWish, words: str) -> None:
    with pytest.raises(Refused, match=words):
        DRIVER.wanted_channel(before, wish)


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        (CHANNEL, "--transport registry --enforce-container-sigpolicy quay.io/example/os:10"),
        (Channel(NEW, SOURCE, Verification.NONE), f"--transport registry quay.io/example/os@{NEW}"),
        (Channel(None, "dir:/mnt/os", Verification.NONE), "--transport dir /mnt/os"),
        (Channel("a", "oci:/mnt/os", Verification.NONE), "--transport oci /mnt/os:a"),
    ],
)
def test_switch(wanted: Channel, command: str) -> None:
    assert DRIVER.switch_by_staging(_state(), wanted) == f"bootc switch --quiet {command}"


def test_the_signature_of_an_ostree_remote_is_not_lost_silently() -> None:
    signed = Channel("10", SOURCE, Verification.GPG, remote="fedora")
    wanted = DRIVER.wanted_channel(signed, ChannelWish("11"))
    assert wanted == replace(signed, name="11")
    with pytest.raises(Refused, match="cannot keep the signature of an ostree remote"):
        DRIVER.switch_by_staging(_state(), wanted)


# -- the guard's functions, by real shells


def _shell(tools: Path, shell: list[str], status: str, call: str) -> subprocess.CompletedProcess[str]:
    (tools / "status").write_text(status)
    script = f"{DRIVER.guard_functions()}\n{call}"
    return subprocess.run([*shell, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("sort_keys", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_shell_reads_what_the_parser_reads(tools: Path, shell: list[str], sort_keys: bool, name: str) -> None:
    text = recorded(name, sort_keys)
    status = parse_status(text)
    expected = {
        f"{slot} {entry.id}"
        for slot in ("booted", "rollback", "staged")
        if (entry := getattr(status, slot)) and not entry.download_only
    }
    expected |= {"queued"} if status.queued else set()
    if status.follows:
        prefix = "docker://" if status.follows.transport == "registry" else f"{status.follows.transport}:"
        expected.add(f"follows {prefix}{status.follows.reference}")
    assert set(_shell(tools, shell, text, "bootc_slots").stdout.splitlines()) == expected
    assert _shell(tools, shell, text, "booted_id").stdout.strip() == (status.booted.id if status.booted else "")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("sort_keys", [False, True])
def test_the_shell_reads_nothing_from_a_document_that_is_cut_off(
    tools: Path, shell: list[str], sort_keys: bool
) -> None:
    text = recorded("status-json-v1alpha1-staged-booted-rollback-same-digest", sort_keys).strip()
    for end in range(0, len(text), 97):
        assert _shell(tools, shell, text[:end], "bootc_slots").stdout == ""


# A host whose `bootc rollback` does what the real one does: it swaps, and drops what is staged.
_ROLLBACK = """#!/bin/sh
cd "$(dirname "$0")" || exit
[ "$1" != rollback ] || echo "bootc $*" >>calls
entry() { printf '{"image":null,"ostree":{"checksum":"%s","deploySerial":0}}' "$1"; }
case $1 in
  status)
    staged=null queued=false
    [ ! -e staged ] || staged=$(entry b)
    [ ! -e queued ] || queued=true
    printf '{"spec":{"image":null},"status":{"staged":%s,"booted":%s,"rollback":%s,"rollbackQueued":%s}}' \
      "$staged" "$(entry a)" "$(entry c)" "$queued" ;;
  rollback)
    [ ! -e broken ] || exit 1
    rm -f staged
    if [ -e queued ]; then rm queued; else : >queued; fi ;;
esac
"""


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("before", "target", "calls", "rc"),
    [
        ([], "c.0", 1, 0),
        ([], "a.0", 0, 0),
        (["queued"], "c.0", 0, 0),
        (["queued"], "a.0", 1, 0),
        (["staged"], "c.0", 1, 0),
        (["staged"], "a.0", 2, 0),
        (["staged", "queued"], "c.0", 2, 0),
        ([], "d.0", 0, 1),
        (["broken"], "c.0", 1, 1),
    ],
)
def test_make_default_is_proven(
    tools: Path, shell: list[str], before: list[str], target: str, calls: int, rc: int
) -> None:
    (tools / "bootc").write_text(_ROLLBACK)
    for name in before:
        (tools / name).touch()
    done = _shell(tools, shell, "", f"make_default {target}")
    assert done.returncode == rc, done.stderr
    made = (tools / "calls").read_text().splitlines() if (tools / "calls").exists() else []
    assert made == ["bootc rollback"] * calls
    assert not (rc == 0 and (tools / "staged").exists())
