"""A server that failed inside is asked what it said of it: of the trials that failed only, each complaint once, no key in it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests.exceptions

from bench import server_log
from bench.check import Evidence
from bench.checks import failures
from bench.errors import DeployError
from bench.records import Trial
from bench.server_log import Complaint
from stacks import connection, logs
from tests.unit.small_run import result, target, write_part

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import Finding, TrialResult

INTERNAL: dict[str, object] = {"error": "s3/internal/InternalError"}


def trial(index: int, cell: str = "btrfs", minute: int = 0, **changed: Any) -> TrialResult:
    """A trial that began so many minutes after the hour."""
    began = Trial(index=index, block=0, position=0, cell=cell, workload="put", seed=1)
    return result(began, started_at=f"2026-01-02T03:{minute:02}:00+00:00", **changed)


def asked(said: str | None, *results: TrialResult, trials: tuple[int, ...] = (0,)) -> tuple[list[tuple[str, str]], Any]:
    """Begin and end of each question, as times of day, and what was found."""
    times: list[tuple[str, str]] = []

    def log(_target: object, began: float, ended: float) -> str | None:
        times.append((_day(began), _day(ended)))
        return said

    beside = replace(target("volume"), cell=replace(target("volume").cell, host="host-btrfs"))
    evidence = Evidence(targets=(target("btrfs"), beside, target("vfs")), results=results, server_log=log)
    return times, server_log.of_trials(evidence, "btrfs", trials)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%H:%M")


def test_complaints_of_one_kind_are_one_and_what_is_no_complaint_is_left_out() -> None:
    said = """
I1123 14:29:46.673063 volume_growth.go:395 Created Volume 44
I1123 14:29:46.673063 filer_deletion.go:382 failed to delete 1/1 files (will retry)
plain words
E1123 14:29:46.673063 put.go:626 chunked upload 7 of fid 3,02b6e2e20460: unexpected EOF
2026/11/23 14:29:47 panic serving 10.0.0.1:80
E1123 14:29:47.000001 put.go:626 chunked upload 12 of fid 11,0fffe2e20461: unexpected EOF
"""

    assert server_log.complaints(said) == (
        Complaint(line="put.go:626 chunked upload 7 of fid 3,02b6e2e20460: unexpected EOF", count=2),
        Complaint(line="panic serving 10.0.0.1:80", count=1),
    )


def test_a_long_line_keeps_its_end_where_the_cause_stands() -> None:
    words = server_log.words((Complaint(line=f"failed {'x' * 400}: disk on fire", count=1),))

    assert "says 'failed xxx" in words
    assert words.endswith("xxx: disk on fire'")
    assert len(words) < 300


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, ""),
        ((), ", and its log says nothing of it"),
        ((Complaint(line="a failed", count=1),), ", and its log says 'a failed'"),
        (
            (Complaint(line="a failed", count=9), Complaint(line="b failed", count=1)),
            ", and its log says 'a failed' (9 lines like it, 1 other kind of complaint)",
        ),
    ],
)
def test_what_is_found_is_told_as_the_end_of_a_sentence(found: tuple[Complaint, ...] | None, words: str) -> None:
    assert server_log.words(found) == words


def test_the_log_is_read_from_a_trials_begin_to_that_of_the_next_one_on_its_host() -> None:
    times, found = asked("", trial(0, minute=1), trial(1, "vfs", minute=2), trial(2, "volume", minute=5))

    assert times == [("03:01", "03:05")]
    assert found == ()


def test_of_many_trials_that_failed_three_are_looked_at() -> None:
    every = tuple(trial(index, minute=index) for index in range(9))

    assert len(asked("", *every, trials=tuple(range(9)))[0]) == 3


def test_a_log_that_cannot_be_read_says_nothing_at_all() -> None:
    times, found = asked(None, trial(0), trial(1, minute=1), trials=(0, 1))

    assert (len(times), found) == (1, None)
    assert server_log.of_trials(Evidence(targets=(target("btrfs"),), results=(trial(0),)), "btrfs", (0,)) is None


def test_a_host_that_did_not_answer_any_more_is_not_asked_again() -> None:
    one = target("btrfs")
    evidence = Evidence(
        targets=(one,), results=(trial(0),), now={one.cell.host: "silent"}, server_log=lambda *_: pytest.fail("asked")
    )

    assert server_log.of_trials(evidence, "btrfs", (0,)) is None


def looked(folder: Path, error: dict[str, object], log: str) -> Finding:
    write_part(folder / "a.parquet", 0, [{}, {}, {}, error])
    evidence = Evidence(
        targets=(target("btrfs"),),
        results=(trial(0, parts=("a.parquet",)),),
        parts=(folder / "a.parquet",),
        server_log=lambda *_: log,
    )
    (finding,) = failures.CHECK.look(evidence)
    return finding


def test_what_failed_inside_is_told_in_the_servers_words_and_a_known_one_with_its_cure(tmp_path: Path) -> None:
    known = looked(tmp_path, INTERNAL, "it failed\nit failed\nE1123 14:29:46.1 x.go:1 write /data/1: no space left on device\n")
    unknown = looked(tmp_path, INTERNAL, "it failed\n")

    assert "the server failed inside, and its log says 'x.go:1 write /data/1: no space left on device'" in known.text
    assert known.text.endswith("a filesystem is full: of bytes, of inodes, of btrfs chunks, or a thin pool is")
    assert "df -i" in known.fix
    assert unknown.text.endswith("the server failed inside, and its log says 'it failed'")
    assert unknown.fix == "read the container's log and the kernel's (dmesg) at that time"


def test_a_failure_that_says_what_it_is_asks_no_log(tmp_path: Path) -> None:
    assert "log says" not in looked(tmp_path, {"error": "timeout/read/ReadTimeoutError"}, "it failed").text


def test_trials_that_could_not_begin_are_told_in_the_servers_words_too() -> None:
    ended = trial(0, problem="prepare failed: no bucket: s3/internal/InternalError")
    (finding,) = failures.CHECK.look(Evidence(targets=(target("btrfs"),), results=(ended,), server_log=lambda *_: "it failed"))

    assert finding.text.endswith("the server failed inside, and its log says 'it failed'")


class Container:
    """A container that notes for when it was asked."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.asked: tuple[float, ...] = ()

    def logs(self, *, since: float, until: float, tail: int) -> bytes:
        self.asked = (since, until)
        assert tail > 0
        return self.said


def engine_with(monkeypatch: pytest.MonkeyPatch, found: Container | Exception) -> None:
    @contextmanager
    def open_engine(_url: str, _stack: str) -> Iterator[Any]:
        def get(name: str) -> Container:
            if isinstance(found, Exception):
                raise found
            assert name == "cowbench-btrfs"
            return found

        yield SimpleNamespace(containers=SimpleNamespace(get=get))

    monkeypatch.setattr(connection, "engine", open_engine)


def test_a_containers_log_is_read_with_some_seconds_to_spare_and_has_no_key_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container(b"failed for AKIA1 with s3cret")
    engine_with(monkeypatch, container)
    one = target("btrfs")
    said = logs.server_between(one, 100.0, 200.0, {one.credential: ("AKIA1", "s3cret")})

    assert said == "failed for *** with ***"
    assert container.asked == (95.0, 205.0)
    assert logs.server_between(one, 100.0, 200.0, {one.credential: ("", "")}) == "failed for AKIA1 with s3cret"


@pytest.mark.parametrize(
    "problem",
    [
        docker.errors.NotFound("gone"),
        DeployError("no way to it", where="host a", next_step="cowbench down"),
        FileNotFoundError("ssh"),
        requests.exceptions.ReadTimeout("timed out"),
    ],
)
def test_a_container_that_is_gone_or_out_of_reach_has_no_log(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    engine_with(monkeypatch, problem)

    assert logs.server_between(target("btrfs"), 1.0, 2.0, {}) is None
