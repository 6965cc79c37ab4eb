# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials in logs recorded on real machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import CannotParse
from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.health_denials import (
    Denial,
    parse_denials,
    parse_event,
)

LOGS = Path(__file__).parents[2] / "fixtures/health"


def log(name: str) -> str:
    return (LOGS / name).read_text()


def host(*logs: tuple[str, str, int], booted: int = 1795400000) -> str:
    parts = (f"{text}\n@@flotilla-log {source} {rc}\n" for source, text, rc in logs)
    return f"@@flotilla-time 1795500000 {booted}\n{''.join(parts)}"


@pytest.mark.parametrize(
    ("name", "denied", "permitted"),
    [
        ("apparmor-audit.log", 12, 10),  # 11 DENIED, 1 KILLED; 10 ALLOWED; AUDIT and STATUS are none
        ("apparmor-dmesg.log", 0, 0),
        ("apparmor-journal.log", 2, 0),
        ("selinux-audit.log", 3, 21),  # permissive=1 was let pass
        ("selinux-dmesg.log", 0, 2),
    ],
)
def test_recorded_logs(name: str, denied: int, permitted: int) -> None:
    events = parse_denials(host(("dmesg", log(name), 0))).events
    assert sum(not event.permitted for event in events) == denied
    assert sum(event.permitted for event in events) == permitted


def test_what_a_denial_is() -> None:
    kinds = {event.kind for event in parse_denials(host(("audit", log("apparmor-audit.log"), 0))).events}
    assert Denial("apparmor", "t-enforce", "open", "/etc/nsswitch.conf") in kinds
    assert Denial("apparmor", "t-kill", "open", "/dev/tty") in kinds
    assert Denial("apparmor", "t-enforce", "create", "inet") in kinds
    assert Denial("apparmor", "t-enforce", "signal", "unconfined") in kinds
    assert Denial("apparmor", "t-enforce", "mknod", '/tmp/file with space "q" ü') in kinds


def test_what_an_selinux_denial_is() -> None:
    event = parse_event(log("selinux-dmesg.log").splitlines()[-1])
    assert event is not None
    assert event.kind == Denial("selinux", "systemd_tmpfiles_t", "search", "bin_t dir")
    assert (event.time, event.serial, event.permitted) == (1795406727.155, 73, True)


def test_an_event_in_several_logs_counts_once() -> None:
    text = log("apparmor-journal.log")
    found = parse_denials(host(("journal", text, 0), ("dmesg", text, 0), ("audit", text, 0)))
    assert len(found.events) == 2
    assert found.sources == ("journal", "dmesg", "audit")


def test_what_auditd_kept_of_earlier_boots_is_left_out() -> None:
    text = log("apparmor-audit.log")
    late = parse_denials(host(("audit", text, 0), booted=1795408000)).events
    assert 0 < len(late) < len(parse_denials(host(("audit", text, 0))).events)
    assert all(event.time > 1795407999 for event in late)


def test_a_log_that_cannot_be_read_is_no_source() -> None:
    found = parse_denials(host(("journal", log("apparmor-journal.log"), 1), ("dmesg", "", 0)))
    assert (found.sources, found.events) == (("dmesg",), ())


def test_processes_make_no_new_kind() -> None:
    line = 'audit(1.0:{0}): apparmor="DENIED" operation="open" profile="p" name="/proc/{0}/fd/3"'
    first, second = parse_event(line.format(11)), parse_event(line.format(12))
    assert first is not None and second is not None
    assert first.kind == second.kind == Denial("apparmor", "p", "open", "/proc/N/fd/N")


def test_no_time_is_refused() -> None:
    with pytest.raises(CannotParse, match="the host's time"):
        parse_denials("@@flotilla-time  \n")


def test_a_long_log_of_earlier_boots_is_not_cut() -> None:
    line = 'audit(1795407527.555:{}): apparmor="ALLOWED" operation="open" profile="p" name="/f"\n'
    text = "".join(line.format(n) for n in range(10_000))
    assert parse_denials(host(("audit", text, 0))).cut is True
    assert parse_denials(host(("audit", text, 0), booted=1795410000)).cut is False
