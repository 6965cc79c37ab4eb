# SPDX-License-Identifier: GPL-3.0-or-later
"""The mac_denials probe with recorded logs; stand-ins print them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.mac_denials import MacDenials
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.host import Result

LOGS = Path(__file__).parents[3] / "fixtures/health"
BASE = ("cat", "grep", "sed", "date", "tail")


def test_the_journal_and_the_kernel_buffer_count_each_event_once(run_in: Callable, tools: Callable) -> None:
    show = f"cat {LOGS}/apparmor-journal.log"
    probe = MacDenials()
    data = probe.read(run_in(probe, tools(*BASE, "timeout", journalctl=show, dmesg=show)))
    assert (data["count"], data["permitted"]) == (2, 0)
    assert all(kind["system"] == "apparmor" for kind in data["kinds"])
    faults = probe.expects(data)
    assert len(faults) == len(data["kinds"])
    assert all(" denied " in words for words in faults.values())
    assert MacDenials(max=2).expects(data) == {}


def test_a_quiet_log_is_healthy(run_in: Callable, tools: Callable) -> None:
    probe = MacDenials()
    data = probe.read(run_in(probe, tools(*BASE, dmesg=f"cat {LOGS}/apparmor-dmesg.log", journalctl="exit 1")))
    assert data["count"] == 0
    assert probe.expects(data) == {}


def test_busybox_alone(run_in: Callable, tools: Callable) -> None:
    path = tools(
        "busybox", **{name: f'exec busybox {name} "$@"' for name in BASE}, dmesg=f"cat {LOGS}/selinux-dmesg.log"
    )
    data = MacDenials().read(run_in(MacDenials(), path))
    assert (data["count"], data["permitted"]) == (0, 2)


@pytest.mark.parametrize("stand_ins", [{}, {"dmesg": "exit 1", "journalctl": "exit 1"}])
def test_no_log_is_not_known(run_in: Callable, tools: Callable, stand_ins: dict) -> None:
    if Path("/var/log/audit/audit.log").exists():
        pytest.skip("this machine has an audit.log")
    with pytest.raises(FlotillaError, match="the host's log cannot be read"):
        MacDenials().read(run_in(MacDenials(), tools(*BASE, **stand_ins)))


@pytest.mark.parametrize(("at", "count"), [(1795400000, 2), (1795500000, 0)])
def test_since_the_baseline(run_in: Callable, tools: Callable, at: int, count: int) -> None:
    path = tools(*BASE, dmesg=f"cat {LOGS}/apparmor-journal.log")
    probe = MacDenials(since="baseline")
    assert probe.read(run_in(probe, path))["count"] == 2  # no baseline: since the boot
    later = probe.since_baseline({"at": at})
    assert later.read(run_in(later, path))["count"] == count


def test_since_the_boot_pays_no_heed_to_a_baseline() -> None:
    assert MacDenials().since_baseline({"at": 1795500000}) == MacDenials()


def test_kinds_are_bounded() -> None:
    text = "@@flotilla-time 2000000000 1000000000\n" + "".join(
        f'audit: type=1400 audit(1500000000.000:{n}): apparmor="DENIED" operation="open" profile="p" name="/f{n}"\n'
        for n in range(150)
    )
    data = MacDenials().read(Result("p", "", 0, f"{text}\n@@flotilla-log dmesg 0\n"))
    assert (data["count"], len(data["kinds"]), data["kinds_left_out"]) == (150, 100, 50)
    assert MacDenials().expects(data)["denial"] == "50 more kinds of denials"


def test_a_flood_is_bounded_and_not_healthy(run_in: Callable, tools: Callable) -> None:
    line = 'audit(1795407527.555:1): apparmor=\\"ALLOWED\\" profile=\\"p\\"'
    path = tools(*BASE, "yes", "head", dmesg=f'yes "{line}" | head -n 10050')
    result = run_in(MacDenials(), path)
    assert len(result.stdout.splitlines()) < 10010
    data = MacDenials().read(result)
    assert (data["count"], data["log_cut"]) == (0, True)
    assert list(MacDenials().expects(data)) == ["log"]
