# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated hosts themselves: if they did not fail when told, the suite would prove nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from simhost import HERE, Machine, SimhostError

COMMIT = "b3def3bf4ce3071e92dfab36c6408cb274b0cb47520f22f1cde92d7374a79745"
UPGRADE = f"ostree admin upgrade --stage --override-commit={COMMIT}"
PATIENCE = 300.0


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="simhost-") as folder:
        machine = Machine.create(Path(folder) / "h1", "ostree")
        machine.switch_on(bound=True)
        machine.wait_until_up()
        yield machine
        machine.stop()


def _again(host: Machine, boots: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while host.boots() == boots or host.pid is None:
        assert time.monotonic() < deadline, "it never came back"
        time.sleep(0.05)


def _says(host: Machine, script: str) -> str:
    done = host.run(script)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_a_host_of_its_own_without_python(host: Machine) -> None:
    assert host.run("command -v python3 python perl").returncode == 127
    assert "init.sh" in _says(host, "tr '\\0' ' ' </proc/1/cmdline")
    assert _says(host, "cat /proc/sys/kernel/random/boot_id") != Path("/proc/sys/kernel/random/boot_id").read_text()
    assert float(_says(host, "cat /proc/uptime").split()[0]) < float(Path("/proc/uptime").read_text().split()[0])
    assert host.run("touch /usr/bin/new").returncode == 1
    assert _says(host, "echo $LANG") == "de_DE.UTF-8\n"


def test_a_boot_is_a_new_one(host: Machine) -> None:
    before = _says(host, "cat /proc/sys/kernel/random/boot_id; touch /run/gone /var/kept /etc/kept")
    boots = host.boots()
    host.run("systemctl reboot")  # it may go down beneath the command
    _again(host, boots)
    assert _says(host, "cat /proc/sys/kernel/random/boot_id") != before
    assert _says(host, "ls -d /run/gone /var/kept /etc/kept 2>/dev/null || :") == "/etc/kept\n/var/kept\n"


def test_what_is_staged_is_finalised_by_a_shutdown_and_lost_by_a_power_cut(host: Machine) -> None:
    for cut in (True, False):
        boots = host.boots()
        _says(host, f"{UPGRADE} && systemctl is-active eos-autoupdater.timer")
        if cut:
            host.cut_power()
        else:
            host.run("reboot")
        _again(host, boots)
        version = _says(host, "ostree admin status -S | sed -n '/^\\*/,/Version/s/.*Version: //p'")
        assert version == ("1\n" if cut else "2\n")
    assert "ostree=" in _says(host, "cat /proc/cmdline")


def test_a_host_that_is_held_off_does_not_answer(host: Machine) -> None:
    host.hold_off()
    with pytest.raises(SimhostError, match="no route to host h1"):
        host.run(":")
    host.start()
    assert _says(host, "echo here") == "here\n"


def test_faults_do_what_they_are_ordered_to(host: Machine) -> None:
    whole = _says(host, "ostree admin status")
    seen = {}
    for kind in ("empty", "truncated", "daemon", "killed", "unheard-of"):
        host.order_fault("ostree", "status", kind)
        done = host.run("ostree admin status; exit $?")
        seen[kind] = (done.returncode, done.stdout, done.stderr)
    host.clear_faults()
    assert seen["empty"] == (0, "", "")
    assert seen["truncated"][0] == 0
    assert whole.startswith(seen["truncated"][1]) and 0 < len(seen["truncated"][1]) < len(whole)
    assert seen["daemon"][:2] == (1, "") and "Unexpected state" in seen["daemon"][2]
    assert seen["killed"][0] == 137
    assert seen["unheard-of"][0] == 70 and "no recorded text for ostree status unheard-of" in seen["unheard-of"][2]
    host.order_fault("ostree", "status", "empty", times=1)
    assert (_says(host, "ostree admin status"), _says(host, "ostree admin status")) == ("", whole)
    assert "fault ostree status empty" in host.calls()


def test_a_tool_speaks_the_language_that_it_is_asked_for(host: Machine) -> None:
    speak = "TOOL=it; . /usr/lib/simhost/simhost.sh; fault speak; say yes ja"
    assert _says(host, speak) == "ja\n"
    assert _says(host, f"LC_ALL=C; {speak}") == "yes\n"
    host.order_fault("it", "speak", "localised")
    assert _says(host, f"LC_ALL=C; {speak}") == "ja\n"
    host.clear_faults()


def test_a_recorded_text_is_filled_in(host: Machine) -> None:
    fill = "TOOL=it; . /usr/lib/simhost/simhost.sh; refspec='a|b&c\\d'; recorded no-such-ref"
    assert _says(host, fill) == "error: Refspec 'a|b&c\\d' not found\n"


def test_what_nobody_has_recorded_is_an_error(host: Machine) -> None:
    for command in (
        "ostree admin status --verbose",
        "systemctl frobnicate",
        "systemd-run --slice=x true",
        "reboot now",
    ):
        done = host.run(command)
        assert done.returncode == 70, command
        assert "not recorded" in done.stderr


def test_units_as_systemd_has_them(host: Machine) -> None:
    state = "systemctl show -p LoadState,ActiveState,UnitFileState -- eos-autoupdater.timer | tr '\\n' ' '"
    assert _says(host, state) == "LoadState=loaded ActiveState=active UnitFileState=enabled "
    assert _says(host, f"systemctl mask --now eos-autoupdater.timer; {state}") == (
        "LoadState=masked ActiveState=failed UnitFileState=masked "
    )
    mend = "systemctl unmask eos-autoupdater.timer; systemctl start eos-autoupdater.timer"
    hold = "systemctl stop eos-autoupdater.timer; systemctl mask --now eos-autoupdater.timer"
    assert _says(host, f"{mend}; {hold}; {state}") == "LoadState=masked ActiveState=inactive UnitFileState=masked "
    assert host.run("systemctl start eos-autoupdater.timer").returncode == 1
    _says(host, "systemctl unmask eos-autoupdater.timer && systemctl start eos-autoupdater.timer")
    assert _says(host, state) == "LoadState=loaded ActiveState=active UnitFileState=enabled "
    assert _says(host, "systemctl show -p LoadState --value none.service") == "not-found\n"
    assert host.run("systemctl start workload.service").returncode == 1
    assert "workload.service" in _says(host, "systemctl list-units --state=failed --no-legend --plain")


def test_a_timer_elapses_when_told(host: Machine) -> None:
    units, waits = "/run/systemd/system", "/run/systemd/simhost/it.timer/waits"
    _says(host, f"printf '%s\\n' '[Timer]' OnActiveSec=1h >{units}/it.timer")
    _says(host, f"printf '%s\\n' '[Service]' Type=oneshot 'ExecStart=/bin/touch /run/elapsed' >{units}/it.service")
    _says(host, f"systemctl start it.timer; until [ -s {waits} ]; do sleep 0.1; done")
    assert host.run("test -e /run/elapsed").returncode == 1
    host.elapse("it.timer")
    _says(host, "until [ -e /run/elapsed ]; do sleep 0.1; done")


def test_a_host_ends_with_who_made_it(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from simhost import Machine; "
        "host = Machine.create(Path(sys.argv[2]), 'ostree'); host.switch_on(bound=True); host.wait_until_up(); "
        "print('up', flush=True); time.sleep(1000)"
    )
    argv = [sys.executable, "-c", program, str(HERE), str(tmp_path / "h1")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "up\n"
        init = int((tmp_path / "h1/pid").read_text())
        maker.kill()
    deadline = time.monotonic() + PATIENCE
    while str(tmp_path) in _command(init):
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.05)


def _command(pid: int) -> str:
    """What a process runs in; its root is the host's disk."""
    try:
        return str(Path(f"/proc/{pid}/root").readlink())
    except OSError:
        return ""


def test_a_family_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimhostError, match="cannot make a host of plan9"):
        Machine.create(tmp_path / "h1", "plan9")
