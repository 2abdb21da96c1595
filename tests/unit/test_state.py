"""What a state directory keeps for itself: made once, whoever comes first, and read by nobody else."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from stacks import state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    return tmp_path / "s"


def test_the_mark_is_kept_and_nobody_else_reads_what_it_is_made_of(own_state: Path) -> None:
    mark = state.account_mark()

    assert state.account_mark() == mark
    assert [path.name for path in own_state.iterdir()] == ["id"]
    assert (own_state / "id").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_was_lost_gets_another_mark(own_state: Path) -> None:
    mark = state.account_mark()
    (own_state / "id").unlink()

    assert state.account_mark() != mark


def test_what_marks_processes_needs_nothing_that_is_kept(own_state: Path) -> None:
    """A sweep finds them when the directory is gone."""
    state.account_mark()
    mark = state.owner("s", "h")
    (own_state / "id").unlink()

    assert state.owner("s", "h") == mark
    assert not list(own_state.iterdir())


def test_threads_that_come_at_once_get_one_mark(own_state: Path) -> None:
    with ThreadPoolExecutor(max_workers=16) as pool:
        marks = set(pool.map(lambda _: state.account_mark(), range(64)))

    assert len(marks) == 1
    assert [path.name for path in own_state.iterdir()] == ["id"]


def test_processes_that_come_at_once_get_one_mark(own_state: Path) -> None:
    program = "import sys; from stacks import state; sys.stdin.read(1); print(state.account_mark())"
    command = [sys.executable, "-c", program]
    racing = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in racing:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    marks = {process.communicate(timeout=60)[0] for process in racing}

    assert marks == {f"{state.account_mark()}\n"}
    assert [path.name for path in own_state.iterdir()] == ["id"]
