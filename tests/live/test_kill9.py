"""After `kill -9` of any of our processes the next `down` or `sweep` removes everything, also when our own files are gone."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from bench import store
from tests.live import kill9
from tests.live.kill9 import Round
from tests.live.place import happens

if TYPE_CHECKING:
    from tests.live.place import Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]

SEED = 7


@pytest.mark.slow
@pytest.mark.parametrize("this", [pytest.param(each, id=f"{each.number}-{each.victim}") for each in kill9.rounds(20, SEED)])
def test_after_a_kill_at_a_random_moment_nothing_is_left(place: Place, this: Round) -> None:
    outcome = kill9.play(this, place)

    print(f"\n{kill9.HEADER}\n{outcome}")  # noqa: T201 - shown when it fails, so that the round can be played again
    assert outcome.left == ()


def test_after_a_kill_of_cowbench_on_its_way_up_down_leaves_nothing(place: Place) -> None:
    outcome = kill9.play(Round(number=0, victim="cowbench", moment_s=3.0, cleaner="down"), place)

    assert outcome.killed
    assert outcome.code == -9
    assert outcome.left_by_kill > 0
    assert outcome.left == ()


@pytest.mark.parametrize(("victim", "lost"), [("generator", 1), pytest.param("engine", 4, marks=pytest.mark.slow)])
def test_a_killed_generator_or_engine_costs_trials_and_not_the_run(place: Place, victim: str, lost: int) -> None:
    """The generator is made anew for the next trial; an engine takes its server with it, and each later trial says so."""
    started = place.start("bench", place.matrix(load={"blocks": 4}), "--stack", "maimed", "--runs", place.runs)
    started.until("block 1/4")
    (process,) = kill9.find(victim, place, started)
    if victim == "engine":
        # The server's container outlives its engine for as long as its shim does.
        for each in place.processes("versitygw"):
            each.kill()
    process.kill()
    ended = started.end()

    assert ended.code in {0, 1, 4}, ended.said  # it came to its end: well, with too many failures, or unsound
    run, results = store.read(place.run_folder), store.results(place.run_folder)
    assert run.state == "complete"
    assert len(results) == 4
    spoiled = [result for result in results if result.problem or _failed_ops(place, result.trial.index)]
    assert 1 <= len(spoiled) <= lost
    assert [finding for finding in run.findings if finding.check in {"failures", "run"} and finding.level != "info"]
    assert "killed by signal 9" in ended.said or "failed" in ended.said
    assert (place.run_folder / "report.html").exists()


def _failed_ops(place: Place, trial: int) -> int:
    tables = [parquet.read_table(part).to_pylist() for part in place.run_folder.glob("samples/*.parquet")]
    return sum(1 for rows in tables for row in rows if row["trial"] == trial and row["error"])


def test_sweep_finds_everything_without_any_file_of_ours(place: Place) -> None:
    assert place.cowbench("up", place.matrix(), "--stack", "forgotten").code == 0
    for directory in ("stacks", "pulumi"):
        shutil.rmtree(place.state / directory)

    shown = place.cowbench("sweep", "--dry-run", "--json")
    assert any("dockerd" in trace for trace in place.traces())
    swept = place.cowbench("sweep")

    assert json.loads(shown.said[shown.said.index("{") :]) == {"forgotten": ["overlay2-ext4"]}
    assert swept.code == 0, swept.said


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["pulumi", "provider host"])
def test_up_again_mends_a_standing_stack_whose_update_was_killed(place: Place, victim: str) -> None:
    one, two = place.matrix("one"), place.matrix("two", axes={"backing_filesystem": ["ext4", "xfs"]})
    assert place.cowbench("up", one, "--stack", "mended").code == 0
    started = place.start("up", two, "--stack", "mended")
    assert happens((place.host("mended", "overlay2-xfs") / "dockerd.log").exists, within_s=20)
    for process in kill9.find(victim, place, started):
        process.kill()
    assert started.end().code == 3, started.said

    again = place.cowbench("up", two, "--stack", "mended")

    assert again.code == 0, again.said
    assert place.cowbench("check", "--stack", "mended").code == 0
    assert place.cowbench("down", "--stack", "mended").code == 0


@pytest.mark.slow
def test_down_removes_a_stack_whose_state_was_torn(place: Place) -> None:
    assert place.cowbench("up", place.matrix(), "--stack", "torn").code == 0
    (record,) = place.state.glob("pulumi/.pulumi/stacks/*/torn.json")
    record.write_text(record.read_text()[: record.stat().st_size // 2])

    ended = place.cowbench("down", "--stack", "torn")

    assert ended.code == 0, ended.said
