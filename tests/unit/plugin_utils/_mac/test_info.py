# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in one round trip, denials included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.denials import MAX_LINES
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.info import mac_info, since_option
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.native import native

FIXTURES = Path(__file__).parents[3] / "unit" / "fixtures"
JOURNAL = (FIXTURES / "selinux/logs/journal-kernel-json.jsonl").read_text()
AUDIT_LOG = (FIXTURES / "apparmor/logs/auditd-audit.log").read_text()


def read(host: Any, since: int | None = None) -> dict[str, Any]:
    answer = native(mac_info(host, since, str(host.root)))
    assert host.round_trips == 1
    assert answer["changed"] is False
    return dict(answer["mac"])


def test_apparmor(apparmor: Callable[..., Any], shell: tuple[str, ...]) -> None:
    tree = {"journal": JOURNAL, "proc/cmdline": "quiet lsm=yama,apparmor apparmor=1 ro\n", "proc/stat": "btime 1\n"}
    host = apparmor({"a (b)": "enforce"}, {}, **tree)
    host.shell = shell
    mac = read(host)
    assert mac.pop("denials")[0]["serial"] == 49
    assert mac == {
        "system": "apparmor",
        "mode": "enforcing",
        "profiles": {"a (b)": "enforce"},
        "policy": None,
        "configured": None,
        "booleans": None,
        "kernel_arguments": ["lsm=yama,apparmor", "apparmor=1"],
        "denial_sources": ["journal"],
        "denials_complete": True,
    }
    assert "-b -o json" in (host.root / "journalctl.called").read_text()


def test_selinux(build: Callable[..., Any]) -> None:
    host = build(
        {
            "journal": "",
            "sys/fs/selinux/enforce": "1",
            "sys/fs/selinux/class/file/index": "1",
            "sys/fs/selinux/booleans/one": "0 0",
            "sys/fs/selinux/booleans/two": "0 0",
            "etc/selinux/config": "SELINUX=permissive\nSELINUXTYPE=targeted\n",
        }
    )
    mac = read(host)
    assert (mac["mode"], mac["configured"], mac["policy"], mac["booleans"]) == (
        "enforcing",
        "permissive",
        "targeted",
        2,
    )
    assert (mac["profiles"], mac["denials"]) == (None, [])


@pytest.mark.parametrize(
    ("since", "boot", "count"),
    [(None, 1795408449, 13), (None, 1795000000, 22), (1795408458, 1, 1), (1795409000, 1, 0)],
)
def test_audit_log_goes_back_further_than_asked_for(
    build: Callable[..., Any], since: int | None, boot: int, count: int
) -> None:
    host = build({"journal": "", "proc/stat": f"cpu 1\nbtime {boot}\n", "var/log/audit/audit.log": AUDIT_LOG})
    mac = read(host, since)
    assert len(mac["denials"]) == count
    assert mac["denial_sources"] == ["journal", "audit_log"]
    asked = "-b" if since is None else f"--since=@{since}"
    assert asked in (host.root / "journalctl.called").read_text().split()


def test_audit_log_that_was_rotated(build: Callable[..., Any]) -> None:
    first, last = AUDIT_LOG.split("\n", 12)[:12], AUDIT_LOG.split("\n", 12)[12]
    rotated = {"var/log/audit/audit.log.1": "\n".join(first) + "\n", "var/log/audit/audit.log": last}
    assert len(read(build({"journal": "", **rotated}), since=0)["denials"]) == 22


def test_what_was_dropped_is_told(build: Callable[..., Any]) -> None:
    dropped = '{"MESSAGE": "kauditd_printk_skb: 5 callbacks suppressed"}\n'
    assert read(build({"journal": JOURNAL + dropped}))["denials_complete"] is False


def test_what_was_left_out_is_told(build: Callable[..., Any]) -> None:
    lines = "".join(
        f'type=AVC msg=audit({at}.0:{at}): apparmor="DENIED" operation="open"\n' for at in range(MAX_LINES + 5)
    )
    mac = read(build({"journal": "", "var/log/audit/audit.log": lines}), since=0)
    assert mac["denials_complete"] is False
    assert [mac["denials"][0]["serial"], mac["denials"][-1]["serial"]] == [5, MAX_LINES + 4]


def test_no_log_at_all_is_unknown_not_none(build: Callable[..., Any], tmp_path: Path) -> None:
    host = build({})
    (tmp_path / "bin").mkdir()
    for tool in ("cat", "grep", "tr", "tail"):
        (tmp_path / "bin" / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    host.path, host.shell = str(tmp_path / "bin"), ("/bin/sh",)
    mac = read(host)
    assert (mac["denials"], mac["denial_sources"], mac["denials_complete"]) == (None, [], False)

    dmesg = tmp_path / "bin" / "dmesg"
    dmesg.write_text(f"#!/bin/sh\ncat {FIXTURES / 'selinux/logs/dmesg-selinux.log'}\n")
    dmesg.chmod(0o755)
    host.round_trips = 0
    mac = read(host)
    assert mac["denial_sources"] == ["kernel_log"]
    assert mac["denials"]


@pytest.mark.parametrize(("value", "since"), [("boot", None), ("0", 0), ("1795408450", 1795408450)])
def test_since(value: str, since: int | None) -> None:
    assert since_option(value) == since


@pytest.mark.parametrize("value", ["yesterday", "-5", "1.5", ""])
def test_since_that_is_no_time(value: str) -> None:
    with pytest.raises(Refused, match="give boot, or seconds since the epoch"):
        since_option(value)
