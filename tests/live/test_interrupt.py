"""Ctrl-C and a polite kill at several moments: everything goes, what was measured is kept and reported, the exit code is 130."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from bench import store
from tests.live.place import COWBENCH, FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.live.place import Place, Started

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


def _ctrl_c(started: Started) -> None:
    """A terminal sends it to the whole foreground group."""
    started.interrupt()


def _ctrl_c_twice(started: Started) -> None:
    started.interrupt()
    started.interrupt()


def _to_cowbench_alone(number: signal.Signals) -> Callable[[Started], None]:
    return lambda started: started.process.send_signal(number)


LONG = {"blocks": 40}
"""Far more trials than are measured before the interrupt."""


def _start(place: Place, verb: str = "bench", *more: object) -> Started:
    return place.start(verb, place.matrix(load=LONG), "--stack", "stopped", *map(str, more))


@pytest.mark.parametrize(
    ("moment", "stop"),
    [
        pytest.param("trials, ", _ctrl_c, id="before anything stands"),
        pytest.param("create  Credential", _ctrl_c_twice, id="while the engine starts, twice"),
        pytest.param(
            "create  Credential",
            _to_cowbench_alone(signal.SIGTERM),
            id="while the engine starts, politely",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "create  EngineHost", _to_cowbench_alone(signal.SIGINT), id="while the server starts", marks=pytest.mark.slow
        ),
    ],
)
def test_stopped_on_its_way_up_it_takes_away_what_it_made(place: Place, moment: str, stop: Callable[[Started], None]) -> None:
    started = _start(place, "bench", "--runs", place.runs)
    started.until(moment)

    stop(started)
    ended = started.end()

    assert ended.code == 130, ended.said
    assert "Traceback" not in ended.said
    assert not place.runs.exists()
    place.assert_nothing_left()


def test_an_up_that_is_stopped_leaves_nothing_half_made(place: Place) -> None:
    started = _start(place, "up")
    started.until("create  EngineHost")

    started.process.send_signal(signal.SIGHUP)
    ended = started.end()

    assert ended.code == 130, ended.said
    place.assert_nothing_left()


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(_ctrl_c, id="Ctrl-C"),
        pytest.param(_to_cowbench_alone(signal.SIGTERM), id="SIGTERM", marks=pytest.mark.slow),
    ],
)
def test_stopped_while_it_measures_it_keeps_and_reports_what_was_measured(place: Place, stop: Callable[[Started], None]) -> None:
    started = _start(place, "bench", "--runs", place.runs)
    started.until("block 3/40")

    stop(started)
    ended = started.end()

    assert ended.code == 130, ended.said
    assert "Traceback" not in ended.said
    folder = place.run_folder
    assert store.read(folder).state == "interrupted"
    assert 3 <= len(store.results(folder)) < 40
    assert f"cowbench run --resume {folder}" in ended.said
    assert {"summary.json", "report.html", "report.md", "junit.xml"} <= {path.name for path in folder.iterdir()}
    place.assert_nothing_left()


def test_an_impatient_ctrl_c_while_it_goes_down_is_answered_and_nothing_is_left(place: Place) -> None:
    started = _start(place, "bench", "--runs", place.runs)
    started.until("create  EngineHost")
    started.interrupt()
    started.until("delete ")

    for _ in range(3):
        started.interrupt()
    ended = started.end()

    assert ended.code == 130, ended.said
    assert "taking the stack away" in ended.said
    assert "Traceback" not in ended.said
    place.assert_nothing_left()


@pytest.mark.slow
def test_an_interrupted_run_is_resumed_with_the_same_schedule(place: Place) -> None:
    matrix = place.matrix(load={"blocks": 6})
    assert place.cowbench("up", matrix, "--stack", "stopped").code == 0
    started = place.start("run", matrix, "--stack", "stopped", "--runs", place.runs)
    started.until("block 1/6")
    started.interrupt()
    assert started.end().code == 130, started.said
    before = store.read(place.run_folder)
    kept = store.results(place.run_folder)

    resumed = place.cowbench("run", "--resume", place.run_folder)

    assert resumed.code in {0, 4}, resumed.said  # 4: a busy machine may spoil a measurement, never the run
    after = store.read(place.run_folder)
    assert (before.state, after.state) == ("interrupted", "complete")
    assert after.schedule == before.schedule
    results = store.results(place.run_folder)
    assert results[: len(kept)] == kept
    assert [result.trial for result in results] == list(after.schedule)
    assert place.cowbench("down", "--stack", "stopped").code == 0


def test_a_reader_that_goes_away_does_not_stop_what_takes_the_stack_away(place: Place) -> None:
    line = f"{COWBENCH} bench {place.matrix()} --runs {place.runs}"
    # The deployment fails long after the reader has gone.
    spoiled = {"PYTHONPATH": FAULTS, "COWBENCH_TEST_FAULT": "engine refuses an option"}

    ended = place.launch(["sh", "-c", f"{{ {line}; echo ended with $? >&2; }} | head -n 1"], **spoiled).end()

    assert "ended with 3" in ended.said
    assert "error: stack" in ended.said
    assert "Traceback" not in ended.said
    place.assert_nothing_left()
