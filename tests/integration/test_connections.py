# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner seam over real connections: real ansible-playbook, a real sshd, login shells, become methods, locales."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "connections"))
from sshd import PASSWORD, SHELLS, Play, Played, Sshd

INFO = {"flotilla.container_os.deployment_info": {}}
PIPELINED = {"ansible_pipelining": True}
# What a login shell, a second shell, a become method or a terminal could spoil.
AWKWARD = """it's "so" $HOME `id` !! !1 \\ \\\\ \\' %s %% * ~ {a,b} \t| tab; Grüße, 世界 \\n \\0101
second line\\
third line, and no end"""
Task = Callable[[dict[str, Any], dict[str, dict[str, Any]]], Play]


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    # Not pytest's own directory: ssh's control sockets bear no long paths, and the users of the server must get in.
    with tempfile.TemporaryDirectory(prefix="flotilla-ssh-") as name:
        Path(name).chmod(0o755)
        server = Sshd(Path(name))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def task(sshd: Sshd, tmp_path: Path) -> Task:
    return lambda what, hosts: Play(sshd, tmp_path / "play", what, hosts)


def _become(user: str, method: str, password: bool = False, **more: Any) -> dict[str, Any]:
    given = {"ansible_become_password": PASSWORD} if password else {}
    return {"ansible_user": user, "ansible_become": True, "ansible_become_method": method, **given, **more}


# Every way to root in which a program goes to stdin.
BY_STDIN: dict[str, dict[str, Any]] = {
    **{f"{shell}-plain": {"ansible_user": f"u-{shell}"} for shell in SHELLS},
    **{f"{shell}-pipelined": {"ansible_user": f"u-{shell}", **PIPELINED} for shell in SHELLS},
    "sudo": _become("free", "sudo"),
    "sudo-pipelined": _become("free", "sudo", **PIPELINED),
    "sudo-password": _become("asked", "sudo", password=True),
    "sudo-password-pipelined": _become("asked", "sudo", password=True, **PIPELINED),
}
# Those in which it goes as an argument at once: su wants a terminal, and so do people.
BY_ARGUMENT: dict[str, dict[str, Any]] = {
    **{f"{shell}-no-stdin": {"ansible_user": f"u-{shell}", "ansible_connection": "no_stdin"} for shell in SHELLS},
    "terminal-asked-for": {"ansible_user": "u-fish", "ansible_ssh_extra_args": "-tt"},
    "sudo-no-stdin": _become("asked", "sudo", password=True, ansible_connection="no_stdin"),
}
# su says that it cannot do without a terminal from ansible-core 2.19 on; before, it may be spoken to by stdin.
BY_SU = {
    "su": _become("none", "su", password=True),
    "su-from-csh": _become("asked", "su", password=True, **PIPELINED),
    "su-no-stdin": _become("none", "su", password=True, ansible_connection="no_stdin"),
}
# Those in which it is tried with stdin first: that sudo requires a terminal shows only then.
BY_BOTH = {
    "sudo-requiretty": _become("seated", "sudo"),
    "sudo-requiretty-pipelined": _become("seated", "sudo", **PIPELINED),
    "sudo-requiretty-password": _become("both", "sudo", password=True),
}
EVERY_WAY = {**BY_STDIN, **BY_ARGUMENT, **BY_SU, **BY_BOTH, "local": {"ansible_connection": "local"}}


def _statuses(played: Played) -> dict[str, str]:
    return {
        host: status if status == "ok" else f"{status}: {result}" for host, (status, result) in played.results.items()
    }


def _all_ok(played: Played, hosts: dict[str, Any]) -> None:
    assert _statuses(played) == dict.fromkeys(hosts, "ok"), played.output
    assert played.rc == 0


def test_deployment_info_takes_one_round_trip(task: Task) -> None:
    hosts = {**BY_STDIN, **BY_ARGUMENT}
    played = task(INFO, hosts).run()
    _all_ok(played, hosts)
    assert played.round_trips == len(hosts)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert {result["host_state"]["boot_id"] for _status, result in played.results.values()} == {boot_id}
    assert len({str(result["host_state"]) for _status, result in played.results.values()}) == 1


def test_a_terminal_that_is_required_shows_at_the_first_try(task: Task) -> None:
    played = task(INFO, BY_BOTH).run()
    _all_ok(played, BY_BOTH)
    assert played.round_trips == 2 * len(BY_BOTH)


def test_steps_are_the_same_by_every_way(task: Task) -> None:
    """Text, locale, root, no terminal, no stdin: whatever is between Ansible and the host."""
    printf = "printf '%s' '" + AWKWARD.replace("'", "'\"'\"'") + "'"
    steps = {
        "text": printf,
        "errors": f"{printf} >&2",
        "who": "id -u",
        "locale": "ls /no/such/file || :",
        "terminal": "[ ! -t 0 ] && [ ! -t 1 ] && [ ! -t 2 ]",
        "stdin": "cat",
    }
    played = task({"seam": {"steps": steps}}, EVERY_WAY).run()
    _all_ok(played, EVERY_WAY)
    for host, (_status, result) in played.results.items():
        assert result["said"]["text"] == AWKWARD, host
        assert result["errors"]["errors"] == AWKWARD, host
        assert result["said"]["who"] == "0\n", host
        assert result["errors"]["locale"].endswith("No such file or directory"), host
        assert result["said"]["stdin"] == "", host


def test_the_server_does_speak_german(sshd: Sshd) -> None:
    """Without this, the English above would prove nothing."""
    argv = ["ssh", "-F", "/dev/null", "-p", str(sshd.port), "-i", str(sshd.folder / "user_key")]
    argv += ["-o", f"UserKnownHostsFile={sshd.folder}/known_hosts", "u-dash@127.0.0.1", "ls /no/such/file"]
    said = subprocess.run(argv, capture_output=True, check=False).stderr.decode()
    assert "Datei oder Verzeichnis nicht gefunden" in said


def test_a_file_there_and_back(task: Task, sshd: Sshd) -> None:
    hosts = {
        name: EVERY_WAY[name]
        for name in ("csh-no-stdin", "fish-no-stdin", "noisy-plain", "sudo-password", "sudo-requiretty", "su")
    }
    folder = sshd.folder / "files"
    for host in hosts:
        seam = {"path": f"{folder}/{{{{ inventory_hostname }}}} it's", "content": AWKWARD + "\n"}
        assert host not in seam
    played = task({"seam": seam}, hosts).run()
    _all_ok(played, hosts)
    for host, (_status, result) in played.results.items():
        assert (result["content"], result["other"]) == (AWKWARD + "\n", None), host
        written = folder / f"{host} it's"
        assert written.read_text() == AWKWARD + "\n"
        assert (written.stat().st_mode & 0o777, written.stat().st_uid) == (0o600, 0)


def test_what_does_not_fit_is_said(task: Task, sshd: Sshd) -> None:
    hosts = {name: EVERY_WAY[name] for name in ("dash-plain", "dash-no-stdin")}
    content = "0123456789abcdef" * 20_000
    path = f"{sshd.folder}/large-{{{{ inventory_hostname }}}}"
    played = task({"seam": {"path": path, "content": content}}, hosts).run()
    assert played.results["dash-plain"][1]["content"] == content
    status, result = played.results["dash-no-stdin"]
    assert status == "failed"
    assert re.match(r"cannot run commands on dash-no-stdin: \d+ bytes do not fit into an argument; use", result["msg"])


def test_who_cannot_be_reached_is_unreachable(task: Task) -> None:
    hosts = {
        "nobody-listens": {"ansible_port": 1},
        "wrong-host-key": {"ansible_user": "u-dash", "ansible_host": "localhost"},
        "no-such-user": {"ansible_user": "nobody-knows", **PIPELINED},
        "no-stdin": {"ansible_port": 1, "ansible_connection": "no_stdin"},
    }
    played = task(INFO, hosts).run()
    assert {host: status for host, (status, _result) in played.results.items()} == dict.fromkeys(hosts, "unreachable")
    assert played.rc == 4


def test_who_may_not_become_root_has_failed(task: Task) -> None:
    hosts = {
        "no-rule": _become("none", "sudo"),
        "no-password": _become("asked", "sudo"),
        "wrong-password": {**_become("asked", "sudo"), "ansible_become_password": "another"},
        "wrong-for-su": {**_become("none", "su"), "ansible_become_password": "another"},
    }
    played = task(INFO, hosts).run()
    assert {host: status for host, (status, _result) in played.results.items()} == dict.fromkeys(hosts, "failed")
    assert "password" in played.results["no-rule"][1]["msg"]
    assert played.rc == 2


def test_a_tool_that_fails_shows_command_code_and_end_of_stderr(task: Task, sshd: Sshd) -> None:
    tool = sshd.bin / "broken-tool"
    tool.write_text("#!/bin/sh\nseq 1 100 | sed 's/^/line /' >&2\necho 'no space left on device' >&2\nexit 23\n")
    tool.chmod(0o755)
    hosts = {name: EVERY_WAY[name] for name in ("fish-plain", "csh-no-stdin", "sudo-requiretty", "su")}
    played = task({"seam": {"steps": {"it": "broken-tool --now"}}}, hosts).run()
    assert played.rc == 2
    for host, (status, result) in played.results.items():
        assert status == "failed", host
        assert result["msg"].startswith("cannot do it: `broken-tool --now` exited with 23: line 90\n"), host
        assert result["msg"].endswith("line 100\nno space left on device"), host
        assert (result["command"], result["rc"]) == ("broken-tool --now", 23), host
        assert "line 1\n" not in result["stderr"], host


@dataclass(frozen=True)
class Work:
    """A task that counts its runs in the file `runs`, and goes on until there is a file `end`."""

    task: dict[str, Any]
    runs: Path
    end: Path


LOG = "37 % of 200 MB\nall done\n"


@pytest.fixture
def work(sshd: Sshd) -> Iterator[Work]:
    with tempfile.TemporaryDirectory(dir=sshd.folder) as name:
        runs, end = Path(name) / "runs", Path(name) / "end"
        script = f"echo run >>{runs}\necho 37 % of 200 MB\nwhile [ -d {name} ] && [ ! -e {end} ]; do sleep 0.2; done\n"
        yield Work({"seam": {"job": f"{script}echo all done\nexit 7\n"}}, runs, end)


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def _has_seen_the_work(play: Play) -> bool:
    """Whether the round trip that started the work is over: from then on a connection that drops is made anew."""
    return "the work: 37 % of 200 MB" in (play.folder / "output").read_text()


@pytest.mark.parametrize("host", ["bash-plain", "csh-no-stdin", "sudo-requiretty"])
def test_a_dropped_connection_loses_nothing(task: Task, sshd: Sshd, work: Work, host: str) -> None:
    play = task(work.task, {host: EVERY_WAY[host]})
    process = play.start()
    _wait_until(lambda: _has_seen_the_work(play))
    lost = f"{host}: the work: no connection, trying again"

    def cut() -> bool:  # more than once: between two polls nobody misses a connection
        sshd.cut_connections()
        return lost in (play.folder / "output").read_text()

    _wait_until(cut)
    work.end.touch()
    played = play.end(process)
    assert played.rc == 0, played.output
    assert played.results[host][1]["job_rc"] == 7
    assert played.results[host][1]["log"] == LOG
    assert work.runs.read_text() == "run\n"


def test_a_second_run_finds_the_work_and_waits_for_it(task: Task, sshd: Sshd, work: Work, tmp_path: Path) -> None:
    first = task(work.task, {"host": EVERY_WAY["dash-plain"]})
    process = first.start()
    _wait_until(work.runs.exists)
    first.kill(process)
    sshd.cut_connections()
    other = Play(sshd, tmp_path / "other", {"seam": {"job": "echo something else"}}, {"host": EVERY_WAY["su"]})
    refused = other.run().results["host"]
    assert (refused[0], refused[1]["msg"]) == (
        "failed",
        "cannot start the work: other work of that kind is still running on the host: the work",
    )
    # Another controller, by another way, in the middle of it.
    second = Play(sshd, tmp_path / "second", work.task, {"host": EVERY_WAY["sudo-requiretty"]})
    process = second.start()
    _wait_until(lambda: _has_seen_the_work(second))
    work.end.touch()
    played = second.end(process)
    assert played.rc == 0, played.output
    assert played.results["host"][1]["log"] == LOG
    assert played.results["host"][1]["job_rc"] == 7
    assert work.runs.read_text() == "run\n"


def test_those_who_start_at_the_same_moment_share_the_work(task: Task, work: Work) -> None:
    hosts = {f"controller-{number}": EVERY_WAY["dash-pipelined"] for number in range(8)}
    play = task(work.task, hosts)
    process = play.start()
    shown = [f"{host}: the work: 37 % of 200 MB" for host in hosts]
    _wait_until(lambda: all(line in (play.folder / "output").read_text() for line in shown))
    work.end.touch()
    played = play.end(process)
    _all_ok(played, hosts)
    assert {result["log"] for _status, result in played.results.values()} == {LOG}
    assert work.runs.read_text() == "run\n"


def test_a_timeout_leaves_the_work_for_the_next_run(task: Task, work: Work) -> None:
    hurried = {"seam": {**work.task["seam"], "timeout": 1}}
    host = {"host": EVERY_WAY["csh-plain"]}
    status, result = task(hurried, host).run().results["host"]
    assert status == "failed"
    assert "still running on the host after 1 s; the next run finds it" in result["msg"]
    work.end.touch()
    again = task(work.task, host).run()
    assert again.rc == 0, again.output
    assert again.results["host"][1]["log"] == LOG


def test_boot_server_is_reached_as_its_own_variables_say(task: Task) -> None:
    """Each way to root leads to the boot server of a host that is itself reached in another way."""
    ask = {"steps": {"here": "echo $HOME"}, "server_steps": {"there": 'id -u; echo "$SUDO_USER:$FLOTILLA_HOST"'}}
    hosts = {f"of-{way}": {"ansible_user": "u-dash", "flotilla_boot_server": way} for way in EVERY_WAY}
    away = {"of-nobody": {"ansible_user": "u-dash", "flotilla_boot_server": "nobody"}, "nobody": {"ansible_port": 1}}
    played = task({"seam": ask}, {**hosts, **EVERY_WAY, **away}).run()
    for way, variables in EVERY_WAY.items():
        status, result = played.results[f"of-{way}"]
        assert status == "ok", f"{way}: {result}"
        assert result["said"]["here"].endswith("/u-dash\n")
        user = variables["ansible_user"] if variables.get("ansible_become_method") == "sudo" else ""
        assert result["said"]["there"] == f"0\n{user}:of-{way}\n", way
    status, result = played.results["of-nobody"]
    assert status == "failed"
    assert "cannot reach nobody, the boot server of of-nobody: " in result["msg"]
    assert played.results["nobody"][0] == "unreachable"
