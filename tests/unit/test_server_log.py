"""A server that failed inside is asked what it said of it: about the trials that failed, each complaint once, no key in it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests.exceptions

from bench import knowledge, server_log
from bench.check import Evidence
from bench.checks import failures
from bench.errors import DeployError
from bench.records import ClockReading, Trial
from bench.server_log import Complaint, Logs
from stacks import connection, logs
from tests.unit.small_run import result, target, write_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.records import Finding, Target, TrialResult

INTERNAL: dict[str, object] = {"error": "s3/internal/InternalError"}
FULL = "E1123 14:29:46.1 x.go:1 write /data/1: no space left on device"


def trial(index: int, minute: int = 0, **changed: Any) -> TrialResult:
    """A trial of the one second that began so many minutes after the hour."""
    began = Trial(index=index, block=0, position=0, cell="btrfs", workload="put", seed=1)
    return result(began, started_at=_at(minute), **changed)


def _at(minute: int, second: int = 0) -> str:
    return f"2026-01-02T03:{minute:02}:{second:02}+00:00"


def said(*lines: tuple[int, int, str]) -> Callable[[Target], tuple[tuple[float, str], ...]]:
    """A server that said these lines, each at a minute and a second of that hour."""
    return lambda _: tuple((datetime.fromisoformat(_at(minute, second)).timestamp(), text) for minute, second, text in lines)


def asked(results: tuple[TrialResult, ...], trials: tuple[int, ...], log: Any, **known: Any) -> tuple[Complaint, ...] | None:
    return Logs(Evidence(targets=(target("btrfs"),), results=results, server_log=log, **known)).complaints("btrfs", trials)


def test_complaints_of_one_kind_are_one_and_what_is_no_complaint_is_left_out() -> None:
    found = server_log.complaints(
        [
            "I1123 14:29:46.673063 volume_growth.go:395 Created Volume 44",
            "I1123 14:29:46.673063 filer_deletion.go:382 failed to delete 1/1 files (will retry)",
            "E1123 14:29:46.673063 put.go:626 chunked upload 7 of fid 3,02b6e2e20460: stream 1f0e-44-ab9 ended",
            "plain words, and 0 errors",
            "2026/11/23 14:29:47 \x1b[31m[INTERNAL ERROR]:\tpanic serving 10.0.0.1:80\x1b[0m",
            "E1123 14:29:47.000001 put.go:626 chunked upload 12 of fid 11,0fffe2e20461: stream 77cd-9-fff1 ended",
        ]
    )

    assert found == (
        Complaint(line="put.go:626 chunked upload 7 of fid 3,02b6e2e20460: stream 1f0e-44-ab9 ended", count=2),
        Complaint(line="[INTERNAL ERROR]: panic serving 10.0.0.1:80", count=1),
    )


SERVERS_WORDS = [each for each in knowledge.signatures() if each.by_server]


@pytest.mark.parametrize("signature", SERVERS_WORDS, ids=[each.kind for each in SERVERS_WORDS])
def test_what_servers_say_of_what_they_stand_on_is_a_complaint_and_known(signature: Any) -> None:
    found = server_log.known(server_log.complaints([signature.sample]))

    assert found is not None
    assert found[1].kind == signature.kind
    assert not signature.harmless


@pytest.mark.parametrize("line", ["Failed to start telemetry: x", "watchdog: BUG: soft lockup - CPU#0 stuck, failed"])
def test_what_is_known_of_kernels_and_services_is_not_a_servers_cause(line: str) -> None:
    assert knowledge.explain(line)
    assert server_log.known(server_log.complaints([line])) is None


def test_a_known_complaint_that_is_rare_is_not_taken_for_the_cause() -> None:
    rare = [Complaint(line="it failed", count=90), Complaint(line="open /x: too many open files", count=9)]

    assert server_log.known(rare) is None
    assert server_log.known([rare[0], replace(rare[1], count=10)]) is not None


def test_a_long_line_keeps_its_end_where_the_cause_stands() -> None:
    words = server_log.words((Complaint(line=f"failed {'x' * 400}: disk on fire", count=1),))

    assert "says 'failed xxx" in words
    assert words.endswith("xxx: disk on fire'")
    assert len(words) < 300


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, ""),
        ((), ", and what is left of its log tells nothing of it"),
        ((Complaint(line="a failed", count=1),), ", and its log says 'a failed'"),
        (
            (Complaint(line="a failed", count=9), Complaint(line="b failed", count=1)),
            ", and its log says 'a failed' (one of 9 like it, 10 complaints in all)",
        ),
    ],
)
def test_what_is_found_is_told_as_the_end_of_a_sentence(found: tuple[Complaint, ...] | None, words: str) -> None:
    assert server_log.words(found) == words


def test_only_what_was_said_about_a_trial_that_failed_counts_and_once_where_two_meet() -> None:
    log = said((1, 50, "failed before"), (2, 3, "failed a"), (2, 5, "failed b"), (2, 8, "failed c"), (2, 30, "failed after"))
    both = (trial(0, minute=2), trial(1, minute=2), trial(2, minute=1), trial(3, minute=3))
    found = asked(both, (0, 1), log)

    assert found is not None
    assert {each.line for each in found} == {"failed a", "failed b"}


def test_of_a_trial_that_could_not_begin_the_minute_around_it_is_read() -> None:
    failed = trial(0, minute=2, problem="prepare failed: s3/internal/InternalError")
    found = asked((failed,), (0,), said((1, 0, "failed a"), (1, 10, "failed b"), (2, 50, "failed c"), (3, 10, "failed d")))

    assert found is not None
    assert [each.line for each in found] == ["failed a", "failed b", "failed c"]


def test_the_clock_of_the_servers_host_is_allowed_for() -> None:
    early, late = (
        ClockReading(host="host-btrfs", offset_s=offset_s, uncertainty_s=0.5, read_at=_at(minute))
        for minute, offset_s in ((0, 0.0), (4, 120.0))
    )
    log = said((3, 0, "failed by our clock"), (5, 0, "failed by its own"))

    assert asked((trial(0, minute=3),), (0,), log, clocks=(early, late)) == (Complaint(line="failed by its own", count=1),)


def test_a_log_that_was_overwritten_since_is_not_taken_for_silence() -> None:
    log = said((9, 0, "failed at last"))

    assert asked((trial(0, minute=1), trial(1, minute=9)), (0,), log) is None
    assert asked((trial(0, minute=1), trial(1, minute=9)), (0, 1), log) == (Complaint(line="failed at last", count=1),)
    assert asked((trial(0, minute=1),), (0,), said()) == ()


def test_a_log_is_read_once_also_when_it_cannot_be() -> None:
    reads: list[str] = []

    def none(one: Target) -> None:
        reads.append(one.cell.name)

    every = Logs(Evidence(targets=(target("btrfs"),), results=(trial(0),), server_log=none))

    assert [every.complaints("btrfs", (0,)) for _ in range(3)] == [None] * 3
    assert reads == ["btrfs"]


def test_a_host_that_did_not_answer_any_more_is_not_asked_again() -> None:
    assert asked((trial(0),), (0,), lambda _: pytest.fail("asked"), now={"host-btrfs": "silent"}) is None
    assert asked((trial(0),), (0,), None) is None


def looked(folder: Path, error: dict[str, object], log: Any) -> Finding:
    write_part(folder / "a.parquet", 0, [{}, {}, {}, error])
    evidence = Evidence(
        targets=(target("btrfs"),),
        results=(trial(0, parts=("a.parquet",)),),
        parts=(folder / "a.parquet",),
        server_log=log,
    )
    (finding,) = failures.CHECK.look(evidence)
    return finding


def test_what_failed_inside_is_told_in_the_servers_words_and_a_known_one_with_its_cure(tmp_path: Path) -> None:
    known = looked(tmp_path, INTERNAL, said((0, 0, "it failed"), (0, 0, "it failed"), (0, 1, FULL)))
    unknown = looked(tmp_path, INTERNAL, said((0, 0, "it failed")))
    silent = looked(tmp_path, INTERNAL, said((0, 0, "all is well")))

    assert "inside, and its log says 'x.go:1 write /data/1: no space left on device' (3 complaints in all): a files" in known.text
    assert "df -i" in known.fix
    assert unknown.text.endswith("the server failed inside, and its log says 'it failed'")
    assert unknown.fix.startswith("read what stands around it: cowbench logs btrfs --part server")
    assert silent.text.endswith("the server failed inside, and what is left of its log tells nothing of it")
    assert silent.fix


@pytest.mark.parametrize("error", ["timeout/read/ReadTimeoutError", "network/closed/IncompleteRead", "s3/full/QuotaExceeded"])
def test_a_failure_that_says_what_it_is_asks_no_log(tmp_path: Path, error: str) -> None:
    assert looked(tmp_path, {"error": error}, lambda _: pytest.fail("asked")).text


def test_failures_are_counted_whatever_ails_the_log(tmp_path: Path) -> None:
    def broken(_: Target) -> None:
        raise ZeroDivisionError

    assert looked(tmp_path, INTERNAL, broken).text.endswith("the server failed inside")


def test_trials_that_could_not_begin_are_told_in_the_servers_words_too() -> None:
    ended = trial(0, problem="prepare failed: no bucket: s3/internal/InternalError")
    (finding,) = failures.CHECK.look(Evidence(targets=(target("btrfs"),), results=(ended,), server_log=said((0, 1, "it failed"))))

    assert finding.text.endswith("the server failed inside, and its log says 'it failed'")


def engine_with(monkeypatch: pytest.MonkeyPatch, lines: bytes | Exception, container_id: str = "fedc") -> None:
    """An engine whose container said these lines, or that raises."""

    @contextmanager
    def open_engine(_url: str, _stack: str) -> Iterator[Any]:
        def get(name: str) -> Any:
            assert name == "cowbench-btrfs"
            if isinstance(lines, Exception):
                raise lines
            return SimpleNamespace(id=container_id, logs=lambda *, timestamps: lines if timestamps else b"")

        yield SimpleNamespace(containers=SimpleNamespace(get=get), api=SimpleNamespace(timeout=0))

    monkeypatch.setattr(connection, "engine", open_engine)


def test_lines_come_with_their_time_and_without_keys_and_the_engines_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(target("btrfs"), server=replace(target("btrfs").server, container_id="fedc"))
    engine_with(
        monkeypatch,
        b"2026-01-02T03:00:01.123456789Z failed for AKIA1 with s3cret\n2026-01-02T03:00:02Z \nError grabbing logs: EOF\n",
    )
    began = datetime.fromisoformat(_at(0)).timestamp()

    lines = logs.server_lines(one, {one.credential: ("AKIA1", "s3cret")}) or ()
    assert [text for _, text in lines] == ["failed for *** with ***", ""]
    assert [at - began for at, _ in lines] == pytest.approx([1.123456, 2])
    assert (logs.server_lines(one, {one.credential: ("", "")}) or ())[0][1] == "failed for AKIA1 with s3cret"


def test_a_container_that_was_made_anew_has_no_log_of_then(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(target("btrfs"), server=replace(target("btrfs").server, container_id="fedc"))
    engine_with(monkeypatch, b"2026-01-02T03:00:01Z x\n", container_id="0123")

    assert logs.server_lines(one, {}) is None


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

    assert logs.server_lines(target("btrfs"), {}) is None
