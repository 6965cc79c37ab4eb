# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before any host is touched, with the real argument specs of the roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._action import validated
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._preflight import preflight

HOSTS = ["h1", "h2", "h3"]


def _check(role: str, variables: dict[str, Any], only: str | None = None) -> str:
    """Check `variables` of all hosts, or of one of them only."""
    given = {host: variables if only in (None, host) else {} for host in HOSTS}
    return preflight(HOSTS, [role], given, validated)


@pytest.mark.parametrize("role", ["upgrade", "configure"])
def test_defaults_are_good(role: str) -> None:
    assert _check(role, {}) == f"checked {role} for 3 hosts"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"upgrade_probes": [{"name": "p", "type": "psychic"}]}, "unknown type 'psychic'"),
        ({"upgrade_probes": []}, "at least one probe"),
        ({"upgrade_waves": [1, 2, 5]}, r"after waves of 1 \+ 2 = 3 no host is left for wave 3 \(5\)"),
        ({"upgrade_max_unavailable": 0}, "no host could ever be rebooted"),
        ({"upgrade_max_failures": "some"}, "cannot read max_failures: 'some'"),
        ({"upgrade_soak": -1}, "upgrade_soak: -1 s is less than 0 s"),
        ({"upgrade_stage_timeout": 0}, "upgrade_stage_timeout: 0 s is less than 1 s"),
        ({"upgrade_confirm_within": 600, "upgrade_boot_timeout": 600}, "600 s must be longer than"),
        ({"upgrade_confirm_within": 100, "upgrade_health_timeout": 60, "upgrade_soak": 40}, "would bring healthy"),
        ({"upgrade_drain_tasks": "/nowhere/drain.yml"}, "there is no file /nowhere/drain.yml"),
        ({"upgrade_max_unavailble": 2}, "cannot use upgrade_max_unavailble of h1: .* has no such variable; it has"),
        ({"upgrade_soak": "soon"}, "cannot use the variables of role upgrade on h1: .*upgrade_soak"),
    ],
)
def test_upgrade_is_refused(variables: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        _check("upgrade", variables)


def test_what_a_rollout_has_once_is_the_same_on_all_hosts() -> None:
    with pytest.raises(Refused, match="upgrade_max_unavailable is .* on h1 and .*2.* on h2"):
        _check("upgrade", {"upgrade_max_unavailable": 2}, only="h2")


def test_fault_of_one_host_is_found() -> None:
    with pytest.raises(Refused, match="cannot use upgrade_soak: -1 s"):
        _check("upgrade", {"upgrade_soak": -1}, only="h3")


def test_key_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot use configure_channel_keys_file of h2: there is no file"):
        _check("configure", {"configure_channel_keys_file": str(tmp_path / "keys")}, only="h2")


def test_pattern_that_matches_nobody() -> None:
    with pytest.raises(Refused, match="no host of the inventory matches"):
        preflight([], ["upgrade"], {}, validated)
