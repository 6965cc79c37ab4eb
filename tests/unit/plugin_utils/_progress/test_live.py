# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import pty
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from ansible_collections.flotilla.container_os.plugins.plugin_utils._model.phase import Phase
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress import live
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.board import Board
from ansible_collections.flotilla.container_os.plugins.plugin_utils._progress.events import Moved, Planned

HOSTS = [f"host-{number}" for number in range(40)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Still:
    """A clock that stands still."""

    def monotonic(self) -> float:
        return 100.0

    def time(self) -> float:
        return 100.0

    def sleep(self, seconds: float, /) -> None:
        raise AssertionError("nobody sleeps here")


@pytest.fixture
def board() -> Board:
    board = Board(Planned("upgrade", (tuple(HOSTS[:1]), tuple(HOSTS[1:])), frozenset(HOSTS), 20), 0.0)
    board.move(Moved(HOSTS[0], Phase.GUARDED), 10)
    board.move(Moved(HOSTS[0], Phase.CONFIRMED), 50)
    board.move(Moved(HOSTS[1], Phase.FAILED, "[red]web.service\x1b[2J is failed"), 60)
    for host in HOSTS[2:20]:
        board.move(Moved(host, Phase.GUARDED), 70)
    return board


def _picture(board: Board, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, markup=False)
    with console.capture() as captured:
        console.print(live.draw(board, 100.0))
    return captured.get().splitlines()


def test_picture(board: Board) -> None:
    lines = _picture(board, 120)
    assert lines[0].startswith("rollout upgrade  1/40 confirmed, 18 in flight, 1 failed  1:40 elapsed, about ")
    assert "wave 1/2" in lines[1]
    assert "1 failed" in lines[2]
    assert lines[3].split()[:3] == [">", "host-2", "guarded"]
    assert lines[-1] == "  and 7 more"
    assert len(lines) == 1 + 2 + live.MOST_HOSTS + 1


@pytest.mark.parametrize("width", [40, 80, 200])
def test_picture_fits(board: Board, width: int) -> None:
    assert max(len(line) for line in _picture(board, width)) <= width


def test_texts_are_no_markup_and_no_orders(board: Board) -> None:
    for host in HOSTS[2:20]:
        board.move(Moved(host, Phase.CONFIRMED), 80)
    text = "\n".join(_picture(board, 200))
    assert "[red]web.service\ufffd[2J is failed" in text
    assert "\x1b" not in text


def test_many_waves_leave_room() -> None:
    waves = tuple((f"h{number}",) for number in range(50))
    board = Board(Planned("upgrade", waves, frozenset(one for (one,) in waves), 1), 0.0)
    assert len(_picture(board, 80)) == 1 + live.MOST_WAVES


@pytest.mark.parametrize(
    ("rich", "stream", "term", "answer"),
    [
        (True, Terminal(), "xterm", True),
        (False, Terminal(), "xterm", False),
        (True, io.StringIO(), "xterm", False),
        (True, Terminal(), "dumb", False),
        (True, Terminal(), None, False),
    ],
)
def test_when_it_is_possible(
    monkeypatch: pytest.MonkeyPatch, rich: bool, stream: io.StringIO, term: str | None, answer: bool
) -> None:
    monkeypatch.setattr(live, "HAS_RICH", rich)
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert live.can_live(stream) is answer


def test_prints_scroll_above_and_forks_draw_nothing(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    view = live.LiveView(board, Still(), terminal)
    try:
        assert sys.stdout is not terminal
        child = os.fork()
        if child == 0:
            os._exit(0 if sys.stdout is terminal else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert sys.stdout is not terminal
        print("what Ansible prints")
        board.move(Moved(HOSTS[2], Phase.ACTIVATING), 90)
        view.update()
    finally:
        view.close()
    assert sys.stdout is terminal
    text = terminal.getvalue()
    assert "what Ansible prints" in text
    assert "activating" in text
    view.update()
    view.close()
    assert terminal.getvalue() == text


def test_a_thread_that_draws_never_waits_for_one_that_prints(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ansible prints: with a lock held that writing on its stream takes too."""
    ours, theirs = pty.openpty()
    reader = threading.Thread(target=_read_all, args=(ours,), daemon=True)
    reader.start()
    terminal = os.fdopen(theirs, "w", closefd=False)
    lock = threading.RLock()
    write, flush = terminal.buffer.write, terminal.buffer.flush
    monkeypatch.setattr(terminal.buffer, "write", lambda data: _with(lock, write, data))
    monkeypatch.setattr(terminal.buffer, "flush", lambda: _with(lock, flush))
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    view = live.LiveView(board, Still())

    def draw() -> None:
        for _time in range(200):
            view.update()

    drawer = threading.Thread(target=draw, daemon=True)
    with lock:
        drawer.start()
        time.sleep(0.1)
        printed = threading.Event()
        threading.Thread(target=lambda: (print("what Ansible prints"), printed.set()), daemon=True).start()
        assert printed.wait(20), "a print waits for a drawing that waits for the lock of whoever prints"
    drawer.join(20)
    assert not drawer.is_alive()
    view.close()
    os.close(theirs)
    reader.join(20)
    os.close(ours)


def _with(lock: Any, call: Callable[..., Any], *arguments: Any) -> Any:
    with lock:
        return call(*arguments)


def _read_all(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:  # how a terminal says that nobody writes any more
        return
