"""Two stacks side by side: neither notices the other, and two processes never work on the same one."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.live.place import happens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


@pytest.fixture(scope="module")
def pair(shared_place: Place) -> Iterator[Place]:
    """Stacks `one` and `two`, made at the same time."""
    started = [shared_place.start("up", shared_place.matrix(name)) for name in ("one", "two")]
    for each in started:
        ended = each.end()
        assert ended.code == 0, ended.said
    yield shared_place
    shared_place.cowbench("sweep", "--all")


def _answers(place: Place, stack: str) -> bool:
    (target,) = json.loads((place.state / "stacks" / stack / "targets.json").read_text())["targets"]
    try:
        urllib.request.urlopen(f"{target['endpoint']}/health", timeout=5).close()
    except urllib.error.URLError:
        return False
    return True


def test_the_same_cell_of_two_stacks_answers_in_each(pair: Place) -> None:
    assert _answers(pair, "one")
    assert _answers(pair, "two")


def test_sweep_leaves_alone_what_was_left_standing_on_purpose(pair: Place) -> None:
    ended = pair.cowbench("sweep")

    assert "nothing to sweep" in ended.said
    assert _answers(pair, "one")


def test_a_second_process_on_the_same_stack_is_refused_and_changes_nothing(pair: Place) -> None:
    first = pair.start("bench", pair.matrix("third"), "--stack", "third", "--runs", pair.runs)
    first.until("create")

    for command in (
        ("up", pair.matrix("third")),
        ("bench", pair.matrix("third"), "--stack", "third"),
        ("down", "--stack", "third"),
    ):
        second = pair.cowbench(*command)
        assert second.code == 3, second.said
        assert f"process {first.process.pid} is working on it" in second.said
        assert "next: wait for it" in second.said

    assert first.end().code in {0, 4}, first.said  # 4: a busy machine may spoil a measurement, never the run


def test_check_says_which_engine_was_killed_and_what_to_do(pair: Place) -> None:
    assert pair.cowbench("check", "--stack", "one").code == 0
    (engine,) = [process for process in pair.processes("dockerd") if "/one/" in " ".join(process.cmdline())]
    engine.send_signal(signal.SIGKILL)
    engine.wait(10)

    ended = pair.cowbench("check", "--stack", "one")

    assert ended.code == 3, ended.said
    assert "Traceback" not in ended.said
    assert "overlay2-ext4" in ended.said
    assert "the engine does not answer" in ended.said
    assert "next: " in ended.said


def test_taking_one_away_leaves_the_other_answering_and_twice_is_fine(pair: Place) -> None:
    first, second = pair.cowbench("down", "--stack", "one"), pair.cowbench("down", "--stack", "one")

    assert (first.code, second.code) == (0, 0), first.said + second.said
    assert not [trace for trace in pair.traces() if "/one" in trace or ".one." in trace]
    assert happens(lambda: _answers(pair, "two"), within_s=1)
