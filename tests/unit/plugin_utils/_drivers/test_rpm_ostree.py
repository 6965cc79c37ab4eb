# SPDX-License-Identifier: GPL-3.0-or-later
"""The rpm_ostree driver: recorded hosts, what is said to them, and why something was refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers._protocol import ChannelWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.ostree import OSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.registry import DRIVERS
from ansible_collections.flotilla.container_os.plugins.plugin_utils._drivers.rpm_ostree import NOT_HERE, RpmOSTree
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import (
    CannotParse,
    FlotillaError,
    Refused,
    ToolFailed,
)
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

RECORDED = Path(__file__).parents[2] / "fixtures/rpm_ostree"
CASES = sorted((RECORDED / "cases").glob("*.json"))
DRIVER = RpmOSTree()
REMOTES = (
    '\n@@flotilla-file /etc/ostree/remotes.d/fedora.conf\n[remote "fedora"]\n'
    "url=https://ostree.fedoraproject.org\ngpg-verify=true\n"
    '\n@@flotilla-file /etc/ostree/remotes.d/edge.conf\n[remote "edge"]\nurl=http://edge.example/repo\n'
    "gpg-verify=false\n"
    '\n@@flotilla-file /ostree/repo/config\n[core]\nmode=bare\n[remote "photon"]\nurl=http://photon.example/repo\n'
    "gpg-verify=false\n"
)
STRICT = json.dumps(
    {
        "default": [{"type": "reject"}],
        "transports": {"docker": {"quay.io/fedora": [{"type": "sigstoreSigned", "keyPath": "/etc/pki/fedora.pub"}]}},
    }
)


def _results(status: str, rc: int = 0, **shown: str) -> dict[str, Result]:
    texts = {"status": status, "remotes": REMOTES, "keys": "", "policy": STRICT, "kargs": "quiet ro\n", **shown}
    return {f"rpm_ostree.{name}": Result(f"rpm_ostree.{name}", "sh", rc, text) for name, text in texts.items()}


def _state(origin: str = "fedora:fedora/x86_64/coreos/stable", **changes: object) -> HostState:
    digest = f"sha256:{'a' * 64}" if origin.startswith("ostree-") else "a" * 64
    booted = Deployment("a" * 64 + ".0", "1", digest, origin, Position.BOOTED)
    channel = Channel("fedora/x86_64/coreos/stable", "https://ostree.fedoraproject.org", Verification.GPG, "fedora")
    if origin.startswith("ostree-"):
        channel = Channel("stable", "docker://quay.io/fedora/fedora-coreos", Verification.POLICY)
    return HostState("rpm_ostree", Os(), "boot-0", **{"booted": booted, "channel": channel, **changes})  # type: ignore[arg-type]


IMAGE = _state("ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable")


# -- recorded hosts


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_recorded_host(case: Path) -> None:
    """A case says what its recording is read as; a key that it lacks is not looked at."""
    expected = json.loads(case.read_text())
    recording = next(RECORDED.glob(f"{case.stem}.*"))
    seen = native(DRIVER.observe(_results(recording.read_text())))
    assert {key: seen[key] for key in expected} == expected


def test_every_recording_has_its_case() -> None:
    assert {path.stem for path in RECORDED.glob("status-*")} == {path.stem for path in CASES}


def test_text_gets_its_serials_from_ostree() -> None:
    text = (RECORDED / "status-text-photon-verbose.txt").read_text()
    admin = (RECORDED / "admin-status-photon.txt").read_text().split("\n", 1)[1]
    view = DRIVER.observe(_results(f"{text}\n@@flotilla-admin\n{admin}"))
    assert view.booted is not None
    assert view.booted.id == "965c1abeb048e1a8ff77e9cd34ffccc5e3356176cda3332b4ff0e7a6c66b661f.0"
    other = admin.replace("965c1abeb", "000000000")
    with pytest.raises(CannotParse, match="`ostree admin status` shows other deployments"):
        DRIVER.observe(_results(f"{text}\n@@flotilla-admin\n{other}"))


def test_busy_says_with_what() -> None:
    shown = json.loads((RECORDED / "status-json-fcos43-oci-signed-booted.json").read_text())
    shown["transaction"] = ["deploy", ":1.42", "/org/projectatomic/rpmostree1/Transactions/7"]
    assert DRIVER.observe(_results(json.dumps(shown))).busy == "rpm-ostree: deploy (asked for by :1.42)"
    titled = f"{json.dumps(shown)}\n@@flotilla-title\ndeploy revision=43.1\n"
    assert DRIVER.observe(_results(titled)).busy == "rpm-ostree: deploy revision=43.1"


def test_status_that_fails_is_told_with_its_command() -> None:
    failed = Result("rpm_ostree.status", "rpm-ostree status --json", 1, "", "error: Couldn't start daemon: no sysroot")
    with pytest.raises(ToolFailed, match=r"cannot read the deployments: .*rpm-ostree status.*no sysroot"):
        DRIVER.observe(_results("") | {"rpm_ostree.status": failed})


def test_kernel_arguments_of_a_tool_that_does_not_tell() -> None:
    text = (RECORDED / "status-text-fcos38-after-update.txt").read_text()
    assert DRIVER.observe(_results(text)).next_kernel_arguments == ("quiet", "ro")
    refused = Result("rpm_ostree.kargs", "sh", 1, "", "error: Unknown command 'kargs'")
    assert DRIVER.observe(_results(text) | {"rpm_ostree.kargs": refused}).next_kernel_arguments is None


@pytest.mark.parametrize(
    ("policy", "origin", "verified"),
    [
        (STRICT, "ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable", "policy"),
        (STRICT, "ostree-unverified-registry:quay.io/fedora/fedora-coreos:stable", "none"),
        (STRICT, "ostree-remote-image:fedora:registry:quay.io/fedora/fedora-coreos:stable", "gpg"),
        ("", "ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable", "policy"),
        (
            STRICT.replace("sigstoreSigned", "insecureAcceptAnything"),
            "ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable",
            "none",
        ),
    ],
)
def test_how_an_image_is_verified(policy: str, origin: str, verified: str) -> None:
    shown = json.loads((RECORDED / "status-json-fcos43-oci-signed-booted.json").read_text())
    shown["deployments"][0]["container-image-reference"] = origin
    view = DRIVER.observe(_results(json.dumps(shown), policy=policy))
    assert view.channel is not None
    assert view.channel.verification == Verification(verified)
    assert (view.channel.name, view.channel.source) == ("stable", "docker://quay.io/fedora/fedora-coreos")


# -- whose host it is


def test_hosts_of_rpm_ostree_are_ours_and_nobody_elses() -> None:
    recorded = (RECORDED / "status-json-fcos31-staged-update.json").read_text()
    assert DRIVER.present(_results(recorded))
    assert not DRIVER.present(_results("", rc=NOT_HERE))
    plain = {
        "ostree.status": Result("ostree.status", "sh", 0, "* x"),
        "ostree.others": Result("", "", 0, "/rpm-ostree"),
    }
    assert not OSTree().present(plain)
    names = [driver.name for driver in DRIVERS]
    assert names.index("rpm_ostree") < names.index("ostree")


@pytest.mark.skipif(Path("/run/ostree-booted").exists(), reason="this machine is booted by OSTree itself")
def test_probes_on_a_host_of_another_kind_end_at_once() -> None:
    for step in (*DRIVER.probes(), DRIVER.offer_probe()):
        done = subprocess.run(["sh", "-c", step.script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (NOT_HERE, ""), f"{step.name}: {done.stderr}"


# -- what the channel offers


def test_offer_of_a_branch() -> None:
    found = DRIVER.offer(Result("offer", "sh", 0, f"commit={'c' * 64}\nversion='38.20230709.3.0'\n"), _state())
    assert (found.digest, found.version) == ("c" * 64, "38.20230709.3.0")
    assert DRIVER.offer(Result("offer", "sh", 0, f"commit={'c' * 64}\nversion=\n"), _state()).version is None
    with pytest.raises(FlotillaError, match="it names no commit"):
        DRIVER.offer(Result("offer", "sh", 0, "commit=\n"), _state())


def test_offer_of_an_image_is_the_one_for_the_hosts_machine() -> None:
    text = (RECORDED / "offer-index.txt").read_text()
    found = DRIVER.offer(Result("offer", "sh", 0, text), IMAGE)
    assert found.digest == "sha256:ca99893c80a7b84dd84d4143bd27538207c2f38ab6647a58d9c8caa251f9a087"
    assert found.version == "43.20251024.3.0"


def test_channel_that_does_not_answer() -> None:
    said = "error: While fetching https://x/summary: [6] Couldn't resolve host name"
    with pytest.raises(FlotillaError, match=r"cannot ask remote fedora \(https://.*\) for channel fedora/.*\[6\]"):
        DRIVER.offer(Result("offer", "long program", 1, "", said), _state())
    with pytest.raises(Refused, match="set one with update_channel"):
        DRIVER.offer(Result("offer", "sh", 0, ""), _state("local/branch", channel=Channel("local/branch", None, None)))


# -- staging


def test_stage_takes_an_exact_digest_of_the_hosts_kind_only() -> None:
    assert DRIVER.stage(_state(), "b" * 64, False).endswith(
        f"stage_commit fedora fedora/x86_64/coreos/stable {'b' * 64} {'a' * 64} no"
    )
    assert DRIVER.stage(_state(), "b" * 64, True).endswith(" yes")
    assert DRIVER.stage(IMAGE, f"sha256:{'b' * 64}", False).endswith(f"stage_image sha256:{'b' * 64} no")
    for digest in ("b" * 63, "latest", "$(reboot)", f"sha256:{'b' * 64}"):
        with pytest.raises(Refused, match="an OSTree commit is 64 hexadecimal digits"):
            DRIVER.stage(_state(), digest, False)
    with pytest.raises(Refused, match="an image's digest is sha256: and 64 hexadecimal digits"):
        DRIVER.stage(IMAGE, "b" * 64, False)


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        (
            "error: Transaction in progress: upgrade\n You can cancel",
            "busy with something else: Transaction",
        ),
        ("error: Updates and deployments are driven by Zincati (zincati.service)", "hold it with native_updater"),
        ("error: Commit b: GPG verification enabled, but no signatures found", "it is not signed"),
        ("error: Can't check signature: public key not found", "signed by a key that the remote does not trust"),
        ("error: Checksum b not found in fedora:x", "the host's channel does not have it"),
        ("error: commit b is older than a, which runs", "older than what runs; allow_downgrade"),
        ("error: min-free-space-percent '3%' would be exceeded, at least 1 GB requested", "the disk is full"),
        ("error: Could not depsolve transaction; 1 problem detected:", "layered packages do not fit it"),
        ("error: Cannot operate; `LockLayering=true` in configuration.", "the host forbids layered packages"),
    ],
)
def test_refusal_names_commit_remote_and_key(log: str, meaning: str) -> None:
    cause = DRIVER.explain(_state(), "b" * 64, f"{log}\ntrusted keys:\nABCDEF0123\n")
    assert cause is not None
    assert cause.startswith(
        f"commit {'b' * 64} of fedora:fedora/x86_64/coreos/stable (https://ostree.fedoraproject.org)"
    )
    assert meaning in cause
    assert cause.endswith("keys trusted for remote fedora: ABCDEF0123")


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        ("error: A signature was required, but no signature exists", "it is not signed"),
        (
            "error: rejected: None of the signatures were accepted, reasons: x; y",
            "signature is not accepted",
        ),
        ("error: Running image docker://x is rejected by policy.", "the host's containers policy rejects it"),
        ("error: pinging container registry quay.io: timeout", "the registry does not answer"),
        (f"error: the image's tag offers sha256:{'c' * 64}, not sha256:{'b' * 64}", "its tag has moved"),
    ],
)
def test_refusal_names_image_and_policy(log: str, meaning: str) -> None:
    cause = DRIVER.explain(IMAGE, f"sha256:{'b' * 64}", f"{log}\ncontainers policy:\n{STRICT}")
    assert cause is not None
    assert cause.startswith(f"image sha256:{'b' * 64} of docker://quay.io/fedora/fedora-coreos:stable: ")
    assert meaning in cause
    assert cause.endswith("asks for sigstoreSigned there")
    cut_off = DRIVER.explain(IMAGE, f"sha256:{'b' * 64}", f"{log}\ncontainers policy:\n{STRICT[:40]}")
    assert cut_off is not None
    assert cut_off.endswith("asks for unknown there")


def test_what_is_not_known_is_told_as_it_is() -> None:
    assert DRIVER.explain(_state(), "b" * 64, "error: something new\ntrusted keys:\n") == "error: something new"
    assert DRIVER.explain(_state(), "b" * 64, "trusted keys:\n") is None


def test_unstage() -> None:
    staged = Deployment("b" * 64 + ".0", "2", "b" * 64, None, Position.STAGED)
    step = DRIVER.unstage(_state(staged=staged))
    assert (step.script, step.required) == ("rpm-ostree cleanup -p", True)
    with pytest.raises(Refused, match="nothing is staged"):
        DRIVER.unstage(_state())


def test_kernel_arguments_are_given_in_calls_of_their_own() -> None:
    script = DRIVER.set_kernel_arguments(_state(), ("panic=5", "x=$(y)"), ("quiet",))
    assert script == "rpm-ostree kargs --delete=quiet && rpm-ostree kargs --append=panic=5 '--append=x=$(y)'"
    with pytest.raises(Refused, match="the deployment that runs is not known"):
        DRIVER.set_kernel_arguments(_state(booted=None), (), ())


# -- channels


def test_branch_gets_its_remote_and_its_origin() -> None:
    remote, origin = DRIVER.switch_channel(_state(), ChannelWish(name="fedora/x86_64/coreos/next"))
    assert "url=https://ostree.fedoraproject.org" in remote.script
    assert origin.script.endswith("follow refspec fedora:fedora/x86_64/coreos/next")
    assert remote.required and origin.required


@pytest.mark.parametrize(
    ("wish", "reference"),
    [
        (ChannelWish(name="testing"), "ostree-image-signed:docker://quay.io/fedora/fedora-coreos:testing"),
        (
            ChannelWish(source="docker://registry.example:5000/os", verification=Verification.NONE),
            "ostree-unverified-image:docker://registry.example:5000/os:stable",
        ),
        (ChannelWish(name=f"sha256:{'b' * 64}"), f"quay.io/fedora/fedora-coreos@sha256:{'b' * 64}"),
        (ChannelWish(source="oci:/var/os"), "ostree-image-signed:oci:/var/os"),
    ],
)
def test_image_gets_its_reference(wish: ChannelWish, reference: str) -> None:
    (step,) = DRIVER.switch_channel(IMAGE, wish)
    assert step.script.endswith(f"{reference}")
    assert "follow container-image-reference " in step.script


def test_what_only_a_rebase_can_do_is_refused() -> None:
    with pytest.raises(Refused, match="rpm-ostree does that only by downloading it"):
        DRIVER.switch_channel(_state(), ChannelWish(source="docker://quay.io/fedora/fedora-coreos"))
    with pytest.raises(Refused, match="this host follows an image"):
        DRIVER.switch_channel(IMAGE, ChannelWish(source="https://ostree.fedoraproject.org"))
    with pytest.raises(Refused, match="it needs a remote, a branch and a URL"):
        DRIVER.switch_channel(_state("local", channel=None), ChannelWish(remote="x"))


def test_key_of_the_channel() -> None:
    results = _results("", keys=f"{'1' * 64}  /etc/ostree/remotes.d/fedora.asc\n")
    assert DRIVER.trusted_keys(results, Channel("x", "http://x/", Verification.GPG, "fedora")) == "1" * 64
    assert DRIVER.trusted_keys(results, Channel("x", "http://x/", Verification.GPG, "edge")) is None


# -- what runs on the host, by real shells

SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
A, B, C = ("a" * 64 + ".0", "b" * 64 + ".0", "c" * 64 + ".0")


def _tools(folder: Path, **tools: str) -> str:
    """Put tools into `folder`; return what begins a program that finds them first. Calls are noted."""
    for name, body in tools.items():
        tool = folder / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/calls\n{body}\n')
        tool.chmod(0o755)
    return f"PATH={folder}:$PATH\n"


def _calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


def _run(shell: list[str], program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*shell, "-c", program], capture_output=True, text=True, check=False)


_OSTREE = """\
case "$*" in
  "admin status"*) for one in $(cat {0}/order); do
    if [ "$one" = {1} ]; then echo "* fedora-coreos $one"; else echo "  fedora-coreos $one"; fi; done ;;
  "admin set-default "*) [ ! -e {0}/old ] || exit 1
    first=$(tr ' ' '\\n' <{0}/order | sed -n "$(($3 + 1))p"); echo "$first $(sed "s/$first//" {0}/order)" >{0}/order ;;
  "admin undeploy 0") sed -i 's/^[^ ]* //' {0}/order ;;
  *) exit 9 ;;
esac"""


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("order", "booted", "old", "target", "does", "rc"),
    [
        ([A, B], A, False, B, "ostree admin set-default 1", 0),
        ([A, B], A, False, A, None, 0),
        ([A, B], A, False, C, None, 1),
        ([A, B], A, True, B, "rpm-ostree rollback", 0),  # expired: back from what runs
        ([B, A, C], A, True, A, "ostree admin undeploy 0", 0),  # the boot loader fell back
        ([A, B, C], A, True, C, None, 1),  # too far for a tool without set-default
    ],
)
def test_make_default_is_proven(
    tmp_path: Path, shell: list[str], order: list[str], booted: str, old: bool, target: str, does: str | None, rc: int
) -> None:
    (tmp_path / "order").write_text(" ".join(order))
    if old:
        (tmp_path / "old").touch()
    swap = f"read -r one two rest <{tmp_path}/order; echo $two $one $rest >{tmp_path}/order"
    tools = _tools(tmp_path, ostree=_OSTREE.format(tmp_path, booted), **{"rpm-ostree": swap})
    done = _run(shell, f"{tools}{DRIVER.guard_functions()}\nmake_default {target}")
    assert done.returncode == rc, done.stderr
    changes = [call for call in _calls(tmp_path) if "status" not in call and not (old and "set-default" in call)]
    assert changes == ([does] if does else [])


VERSIONS = {
    "2018.5": "rpm-ostree:\n Version: 2018.5\n Git: 2018.9abc\n",
    "2019.3": "rpm-ostree:\n Version: 2019.3\n",
    "2022.19": "rpm-ostree:\n Version: '2022.19'\n Git: v2022.19\n Features:\n  - rust\n",
    "2026.2": "rpm-ostree:\n Version: '2026.2'\n",
}


def _rpm_ostree(version: str, digest: str = "") -> str:
    return (
        f"case $1 in --version) printf '%b' {json.dumps(VERSIONS[version])} ;; "
        f'status) echo \'{{"container-image-reference-digest" : "{digest}"}}\' ;; esac'
    )


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("version", "downgrade", "call"),
    [
        ("2018.5", True, f"rpm-ostree deploy revision={'b' * 64}"),
        ("2019.3", True, f"rpm-ostree deploy revision={'b' * 64}"),
        ("2022.19", False, f"rpm-ostree deploy --lock-finalization --disallow-downgrade revision={'b' * 64}"),
        ("2022.19", True, f"rpm-ostree deploy --lock-finalization revision={'b' * 64}"),
        ("2026.2", False, f"rpm-ostree deploy --lock-finalization --disallow-downgrade revision={'b' * 64}"),
    ],
)
def test_commit_is_staged_with_what_the_version_knows(
    tmp_path: Path, shell: list[str], version: str, downgrade: bool, call: str
) -> None:
    tools = _tools(tmp_path, ostree="exit 9", **{"rpm-ostree": _rpm_ostree(version)})
    done = _run(shell, tools + DRIVER.stage(_state(), "b" * 64, downgrade))
    assert done.returncode == 0, done.stderr
    assert [one for one in _calls(tmp_path) if "--version" not in one] == [call]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(("date", "rc"), [("2021-02-20 07:15:43 +0000", 0), ("2020-11-04 02:21:47 +0000", 1)])
def test_old_tool_is_not_left_to_go_back_in_time(tmp_path: Path, shell: list[str], date: str, rc: int) -> None:
    ostree = (
        f'case $1 in pull) ;; show) case $2 in b*) d="{date}" ;; *) d="2021-01-01 00:00:00 +0000" ;; esac; '
        'printf "commit %s\\nDate:  %s\\n" "$2" "$d" ;; *) exit 9 ;; esac'
    )
    tools = _tools(tmp_path, ostree=ostree, **{"rpm-ostree": _rpm_ostree("2019.3")})
    done = _run(shell, tools + DRIVER.stage(_state(), "b" * 64, False))
    assert done.returncode == rc, done.stderr
    assert any("deploy" in call for call in _calls(tmp_path)) is (rc == 0)
    if rc:
        assert "allow_downgrade" in str(DRIVER.explain(_state(), "b" * 64, done.stdout))


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("version", "offered", "calls", "rc"),
    [
        ("2026.2", "b", [f"deploy --lock-finalization --disallow-downgrade sha256:{'b' * 64}"], 0),
        ("2022.19", "b", ["upgrade --lock-finalization", "status --json"], 0),
        ("2022.19", "c", ["upgrade --lock-finalization", "status --json", "cleanup -p"], 1),
    ],
)
def test_image_is_staged_by_its_digest_or_not_at_all(
    tmp_path: Path, shell: list[str], version: str, offered: str, calls: list[str], rc: int
) -> None:
    tools = _tools(tmp_path, **{"rpm-ostree": _rpm_ostree(version, f"sha256:{offered * 64}")})
    done = _run(shell, tools + DRIVER.stage(IMAGE, f"sha256:{'b' * 64}", False))
    assert done.returncode == rc, done.stderr
    assert [one.removeprefix("rpm-ostree ") for one in _calls(tmp_path) if "--version" not in one] == calls
    if rc:
        cause = DRIVER.explain(IMAGE, f"sha256:{'b' * 64}", done.stdout)
        assert f"its tag has moved: the image's tag offers sha256:{'c' * 64}" in str(cause)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("reference", "location"),
    [
        ("ostree-image-signed:docker://quay.io/x/y:stable", "docker://quay.io/x/y:stable"),
        ("ostree-image-signed:registry:quay.io/x/y:stable", "docker://quay.io/x/y:stable"),
        ("ostree-unverified-registry:quay.io/x/y:stable", "docker://quay.io/x/y:stable"),
        ("ostree-unverified-image:oci:/var/x", "oci:/var/x"),
        ("ostree-remote-registry:fedora:quay.io/x/y:stable", "docker://quay.io/x/y:stable"),
        ("ostree-remote-image:fedora:registry:quay.io/x/y:stable", "docker://quay.io/x/y:stable"),
        ("ostree-remote-image:fedora:docker://quay.io/x/y:stable", "docker://quay.io/x/y:stable"),
    ],
)
def test_image_in_the_words_of_skopeo(shell: list[str], reference: str, location: str) -> None:
    host = DRIVER.stage(_state(), "b" * 64, False).rpartition("\n")[0]
    assert _run(shell, f"{host}\nimage_location {reference}").stdout == f"{location}\n"
