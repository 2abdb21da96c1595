"""Two runs on one machine take turns, whoever began them, and whatever becomes of them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from itertools import groupby
from pathlib import Path

import pytest

from bench import run, store, turns
from bench.errors import DeployError, Interrupted
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 60.0

OTHER = """
import sys, time
from pathlib import Path
from bench import turns

turns._FOLDER = Path(sys.argv[1])
log = Path(sys.argv[2])

def tell(what):
    with log.open("a") as file:
        file.write(f"{what}\\n")

print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[4])):
    with turns.turn("operator", lambda: None):
        tell(f"{sys.argv[3]} in")
        time.sleep(0.3)
        tell(f"{sys.argv[3]} out")
"""

HOLDS = """
import sys, time
from pathlib import Path
from bench import turns

turns._FOLDER = Path(sys.argv[1])
with turns.turn("operator", lambda: None):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    folder.mkdir()
    monkeypatch.setattr(turns, "_FOLDER", folder)
    return folder


def holder(locks: Path) -> subprocess.Popen[str]:
    """Another process, having its turn until its standard input ends."""
    command = [sys.executable, "-c", HOLDS, str(locks)]
    process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "in\n"
    return process


def ends(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


def test_two_processes_are_never_in_at_once_and_change_places(locks: Path, tmp_path: Path) -> None:
    log, times = tmp_path / "log", 6
    command = [sys.executable, "-c", OTHER, str(locks), str(log)]
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen([*command, name, str(times)], cwd=PROJECT, stdin=pipe, stdout=pipe, text=True) for name in ("one", "two")
    ]
    assert [process.stdout and process.stdout.readline() for process in both] == ["ready\n"] * 2
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        ends(process)

    told = [line.split() for line in log.read_text().splitlines()]
    turns_taken = [name for name, what in told if what == "in"]
    assert len(told) == 4 * times
    assert all(entered == [left[0], "in"] and left[1] == "out" for entered, left in zip(told[::2], told[1::2], strict=True))
    # While both want it, one that leaves may be back before the other looks, but does not go on and on.
    first = {name: turns_taken.index(name) for name in ("one", "two")}
    last = {name: len(turns_taken) - 1 - turns_taken[::-1].index(name) for name in ("one", "two")}
    shared = turns_taken[max(first.values()) : min(last.values()) + 1]
    assert shared, "the one was let in when the other was done"
    assert max(len(list(row)) for _, row in groupby(shared)) <= 2


def test_who_waits_is_told_so_and_goes_in_when_the_other_leaves(locks: Path) -> None:
    other = holder(locks)
    told: list[str] = []

    def waiting() -> None:
        told.append("waiting")
        if len(told) == 2:
            ends(other)

    with turns.turn("operator", waiting):
        assert other.returncode == 0

    assert len(told) >= 2


def test_a_killed_process_gives_its_turn_back(locks: Path) -> None:
    other = holder(locks)
    other.send_signal(signal.SIGKILL)
    other.wait(PATIENCE_S)

    with turns.turn("operator", lambda: pytest.fail("waited for the dead")):
        pass
    other.communicate()


@pytest.mark.usefixtures("locks")
def test_a_child_that_lives_on_does_not_keep_the_turn() -> None:
    reading, writing = os.pipe()
    with turns.turn("operator", lambda: None):
        child = os.fork()
        if child == 0:  # it has the lock's file open, as a forked load generator would
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    try:
        with turns.turn("operator", lambda: pytest.fail("waited for a child")):
            pass
    finally:
        os.write(writing, b"x")
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_other_machines_are_not_waited_for(locks: Path) -> None:
    with turns.turn("aws/eu-west-1", lambda: None), turns.turn("operator", lambda: pytest.fail("waited")):
        assert sorted(path.name for path in locks.iterdir()) == [
            "cowbench-aws%2Feu-west-1.next", "cowbench-aws%2Feu-west-1.now", "cowbench-operator.next", "cowbench-operator.now"
        ]  # fmt: skip


def test_a_wait_can_be_ended_and_the_next_one_is_not_hindered(locks: Path) -> None:
    other = holder(locks)

    def enough() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), turns.turn("operator", enough):
        pass
    ends(other)
    with turns.turn("operator", lambda: pytest.fail("waited")):
        pass


def test_any_user_may_wait_for_any_other_s_turn(locks: Path) -> None:
    before = os.umask(0o077)
    try:
        with turns.turn("operator", lambda: None):
            pass
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in locks.iterdir()} == {0o644}


def test_locks_that_were_cleared_away_are_made_anew_and_hold(locks: Path) -> None:
    with turns.turn("operator", lambda: None):
        for path in locks.iterdir():
            path.unlink()
    other = holder(locks)
    waited = threading.Event()

    def waiting() -> None:
        if not waited.is_set():
            waited.set()
            ends(other)

    with turns.turn("operator", waiting):
        assert waited.is_set()


def test_a_lock_that_cannot_be_opened_says_where_it_is(locks: Path) -> None:
    (locks / "cowbench-operator.next").symlink_to(locks / "elsewhere")

    with pytest.raises(DeployError, match="lock cannot be opened") as caught, turns.turn("operator", lambda: None):
        pass
    assert caught.value.where == str(locks / "cowbench-operator.next")


def test_a_run_waits_for_another_one_visibly_and_notes_it_once(locks: Path, tmp_path: Path) -> None:
    folder = store.create(tmp_path / "runs", small_run.run())
    other = holder(locks)
    phases: list[str] = []

    def observe(status: run.Status) -> None:
        phases.append(status.phase)
        if phases.count("wait for another run") == 2:
            ends(other)

    done = run.perform(folder, KEYS, observe, FakeGenerator)

    assert phases[:2] == ["wait for another run"] * 2
    assert [finding.text for finding in done.findings if finding.check == "run"] == [
        "another run was under way on the machine operator: the trials of both took turns"
    ]
    assert done.state == "complete"


def test_a_run_that_waits_can_be_interrupted(locks: Path, tmp_path: Path) -> None:
    folder = store.create(tmp_path / "runs", small_run.run())
    other = holder(locks)

    def observe(status: run.Status) -> None:
        if status.phase == "wait for another run":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="0 of 8 trials"):
        run.perform(folder, KEYS, observe, FakeGenerator)
    ends(other)
