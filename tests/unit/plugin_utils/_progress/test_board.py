# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import BAD, IN_FLIGHT, Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.board import (
    Board,
    clock,
    plain,
    printable,
)
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.events import Moved, Planned

PLANNED = Planned("upgrade", (("h1",), ("h2", "h3", "h4", "h5")), frozenset({"h1", "h2", "h3", "h4", "h5"}), 2)


def _turn(board: Board, host: str, begin: float, end: float, how: Phase = Phase.CONFIRMED) -> None:
    board.move(Moved(host, Phase.GUARDED), begin)
    board.move(Moved(host, how, "so it is"), end)


def test_counts_by_wave() -> None:
    board = Board(PLANNED, 0.0)
    _turn(board, "h1", 0, 60)
    board.move(Moved("h2", Phase.GUARDED), 61)
    _turn(board, "h3", 61, 90, Phase.FAILED)
    assert (board.size(), board.size(1), board.size(2)) == (5, 1, 4)
    assert (board.count({Phase.CONFIRMED}), board.count(IN_FLIGHT), board.count(BAD)) == (1, 1, 1)
    assert (board.count({Phase.CONFIRMED}, 2), board.count(BAD, 2)) == (0, 1)
    assert [one.host for one in board.notable()] == ["h2", "h3"]


def test_taken_up_again() -> None:
    board = Board(Planned("upgrade", (("h1",), ("h2",)), frozenset({"h2"}), 1), 0.0)
    assert board.count({Phase.CONFIRMED}) == 1
    assert board.line("h2").phase is Phase.STEADY


def test_what_is_no_news() -> None:
    board = Board(PLANNED, 0.0)
    assert board.move(Moved("stranger", Phase.STAGED), 1) is None
    assert board.move(Moved("h1", Phase.ACTIVATING), 1) is None
    assert board.move(Moved("h1", Phase.GUARDED), 1) is not None
    assert board.move(Moved("h1", Phase.GUARDED), 2) is None
    assert board.line("h1").since == 1


def test_time_left() -> None:
    board = Board(PLANNED, 0.0)
    assert board.left(5) is None
    _turn(board, "h1", 0, 60)
    # Four hosts, two at a time: two rounds of a minute.
    assert board.left(60) == 120
    board.move(Moved("h2", Phase.GUARDED), 60)
    board.move(Moved("h3", Phase.GUARDED), 70)
    assert board.left(90) == 100
    assert board.left(100_000) == 60
    for host in ("h2", "h3"):
        board.move(Moved(host, Phase.CONFIRMED), 130)
    _turn(board, "h4", 130, 190, Phase.FAILED)
    _turn(board, "h5", 130, 190)
    assert board.left(190) == 0


def test_plain_lines() -> None:
    board = Board(PLANNED, 0.0)
    assert plain(board, PLANNED, 0) == "rollout upgrade: 5 hosts in 2 waves, 5 to go"
    staged = Moved("h1", Phase.STAGED)
    board.move(staged, 1)
    assert plain(board, staged, 1) is None
    _turn(board, "h1", 5, 65)
    done = Moved("h1", Phase.CONFIRMED)
    assert plain(board, done, 65) == (
        "rollout upgrade, wave 1/2: h1 confirmed (1/5 confirmed, 0 in flight, 0 failed, 1:05 elapsed, about 2:00 left)"
    )
    _turn(board, "h2", 66, 70, Phase.ROLLED_BACK)
    bad = plain(board, Moved("h2", Phase.ROLLED_BACK), 70)
    assert str(bad).startswith("rollout upgrade, wave 2/2: h2 rolled back: so it is (1/5 confirmed")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_nothing_steers_the_terminal() -> None:
    assert printable("a\x1b[2Jb\rc\u202ed") == "a\ufffd[2Jb\ufffdc\ufffdd"
    hostile = "h\x1b]0;owned\x07"
    board = Board(Planned(hostile, ((hostile,),), frozenset({hostile}), 1), 0.0)
    moved = Moved(hostile, Phase.FAILED, hostile)
    board.move(moved, 1)
    assert "\x1b" not in str(plain(board, moved, 1))
