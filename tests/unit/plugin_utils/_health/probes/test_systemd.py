# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd probe with a stand-in for systemctl: process 1 of a test machine need not be systemd."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import FlotillaError
from ansible_collections.flotilla.container_os.plugins.plugin_utils._health.probes.systemd import Systemd

# Answers as systemd 257 does.
SYSTEMCTL = r"""
unit() {
  printf 'Id=%s\nLoadState=%s\nActiveState=%s\nSubState=%s\nResult=%s\nNRestarts=%s\n\n' "$@"
}
case "$1" in
show)
  while [ "$1" != -- ]; do shift; done; shift
  for name; do
    case "$name" in
    web.service) unit "$name" loaded failed failed exit-code 5 ;;
    gone.service) unit "$name" not-found inactive dead success 0 ;;
    *) unit "$name" loaded active running success 0 ;;
    esac
  done ;;
list-units) printf 'web.service loaded failed failed The web\n' ;;
is-system-running) echo degraded; exit 1 ;;
esac"""


def test_failed_units(run_in: Callable, tools: Callable) -> None:
    probe = Systemd()
    data = probe.read(run_in(probe, tools("timeout", systemctl=SYSTEMCTL)))
    assert data == {"units": {}, "failed": ["web.service"], "system": "degraded"}
    assert probe.expects(data) == {"unit:web.service": "web.service has failed"}


def test_named_units(run_in: Callable, tools: Callable) -> None:
    probe = Systemd(units=("sshd.service", "web.service", "gone.service"))
    data = probe.read(run_in(probe, tools(systemctl=SYSTEMCTL)))
    assert probe.expects(data) == {
        "unit:web.service": "web.service is failed (failed, result exit-code), expected active",
        "unit:gone.service": "gone.service does not exist",
    }
    assert probe.value(data) == {"sshd.service": "active", "web.service": "failed", "gone.service": "inactive"}


@pytest.mark.parametrize("system", ["starting", "maintenance", "stopping", "offline", None])
def test_the_system_must_be_up(system: str | None) -> None:
    assert list(Systemd().expects({"units": {}, "failed": [], "system": system})) == ["system"]


@pytest.mark.parametrize("system", ["running", "degraded"])
def test_degraded_only_says_that_a_unit_has_failed(system: str) -> None:
    assert Systemd().expects({"units": {}, "failed": [], "system": system}) == {}


def test_no_systemd_is_not_known(run_in: Callable, tools: Callable) -> None:
    with pytest.raises(FlotillaError, match="there is no systemctl on the host"):
        Systemd().read(run_in(Systemd(), tools("true")))


def test_systemctl_that_fails_is_not_known(run_in: Callable, tools: Callable) -> None:
    path = tools(systemctl="echo 'Failed to connect to bus: No such file or directory' >&2; exit 1")
    with pytest.raises(FlotillaError, match="systemctl exited with 1: Failed to connect to bus"):
        Systemd().read(run_in(Systemd(), path))


def test_a_restart_between_two_looks() -> None:
    def look(restarts: int | None) -> dict:
        return {"units": {"a.service": {"active": "active", "restarts": restarts}}, "failed": [], "system": "running"}

    probe = Systemd(units=("a.service",))
    assert list(probe.restarted(look(1), look(2))) == ["unit:a.service"]
    assert probe.restarted(look(2), look(2)) == {}
    assert probe.restarted(look(2), look(None)) == {}
