# SPDX-License-Identifier: GPL-3.0-or-later
"""apparmor_profile: options in, the use case called; the text may come from a file on the controller."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.flotilla.container_os.plugins.action import apparmor_profile
from ansible_collections.flotilla.container_os.plugins.plugin_utils._errors import Refused
from ansible_collections.flotilla.container_os.plugins.plugin_utils._mac.profile import ProfileMode, ProfileWish
from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.outcome import Outcome

OPTIONS = {"name": "web", "state": "present", "mode": "enforce", "content": None, "src": None}


@pytest.fixture
def action(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = apparmor_profile.ActionModule.__new__(apparmor_profile.ActionModule)
    made._task = SimpleNamespace(check_mode=False, diff=False)
    made.host = lambda task_vars: "the host"
    made.wishes = []

    def set_profile(host: object, wish: ProfileWish, check: bool) -> Outcome:
        assert (host, check) == ("the host", False)
        made.wishes.append(wish)
        return Outcome(False, "done")

    monkeypatch.setattr(apparmor_profile, "set_profile", set_profile)
    return made


def test_options(action: Any) -> None:
    assert action.perform({**OPTIONS, "content": "text"}, {}) == {"changed": False, "msg": "done"}
    action.perform({**OPTIONS, "state": "absent", "mode": "complain"}, {})
    assert action.wishes == [
        ProfileWish("web", content="text"),
        ProfileWish("web", present=False, mode=ProfileMode.COMPLAIN),
    ]


def test_text_of_a_file(action: Any, tmp_path: Path) -> None:
    (tmp_path / "web").write_text("profile wéb {\n}\n", encoding="utf-8")
    action._find_needle = lambda directory, name: str(tmp_path / name) if directory == "files" else None
    action.perform({**OPTIONS, "src": "web"}, {})
    assert action.wishes == [ProfileWish("web", content="profile wéb {\n}\n")]


def test_file_that_cannot_be_read(action: Any, tmp_path: Path) -> None:
    def missing(directory: str, name: str) -> str:
        raise AnsibleError("Could not find or access 'web'")

    action._find_needle = missing
    with pytest.raises(Refused, match="cannot read AppArmor profile web: Could not find"):
        action.perform({**OPTIONS, "src": "web"}, {})
    (tmp_path / "latin").write_bytes(b"\xe9")
    action._find_needle = lambda directory, name: str(tmp_path / name)
    with pytest.raises(Refused, match="cannot read AppArmor profile latin"):
        action.perform({**OPTIONS, "src": "latin"}, {})
    assert action.wishes == []
