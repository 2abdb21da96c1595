"""Samples on disk: complete parts or none, and every column as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bench.client import Outcome
from bench.generator import samples as samples_module
from bench.generator.samples import NotWritten, SampleLog
from bench.records import Sample, Trial
from bench.workload import Op

TRIAL = Trial(index=12, block=0, position=0, cell="c", workload="w", seed=4)
OP = Op(name="get", key="k", size_bytes=10)


def add(log: SampleLog, start_ns: int, error: str = "") -> None:
    outcome = Outcome(status=200, bytes=10, first_byte_ns=start_ns + 3)
    log.add(OP, outcome, name="get", start_ns=start_ns, end_ns=start_ns + 9, error=error)


def test_a_sample_comes_back_as_it_went_in(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, TRIAL)
    add(log, 1 << 50)
    add(log, (1 << 50) + 100, "s3/throttled/SlowDown")

    (part,) = log.close()
    first, second = (Sample(**row) for row in pq.read_table(tmp_path / part).to_pylist())

    begun = 1 << 50
    assert first == Sample(
        trial=12, worker=0, op="get", size_bytes=10, due_ns=begun, start_ns=begun, first_byte_ns=begun + 3,
        end_ns=begun + 9, bytes=10, status=200, error="", attempt=1,
    )  # fmt: skip
    assert (second.error, second.start_ns) == ("s3/throttled/SlowDown", begun + 100)


def test_a_full_part_is_written_and_what_follows_goes_into_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "_PART_ROWS", 3)
    log = SampleLog(tmp_path, TRIAL)
    for number in range(7):
        add(log, number)
        log.flush_if_due()

    parts = log.close()

    assert parts == tuple(f"part-00012-0{number}.parquet" for number in range(3))
    assert [pq.read_table(tmp_path / part).num_rows for part in parts] == [3, 3, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == list(parts)


def test_an_old_part_is_written_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "_PART_NS", 0)
    log = SampleLog(tmp_path, TRIAL)
    add(log, 1)

    log.flush_if_due()

    assert [path.name for path in tmp_path.iterdir()] == ["part-00012-00.parquet"]


def test_parts_are_flushed_when_the_trial_is_over_and_before_anyone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(Path(f"/proc/self/fd/{handle}").readlink().name))
    monkeypatch.setattr(samples_module, "_PART_NS", 0)
    log = SampleLog(tmp_path, TRIAL)
    add(log, 1)
    log.flush_if_due()
    assert flushed == [], "not while the trial runs: it may be the servers' disk too"
    add(log, 2)

    parts = log.close()

    assert flushed == [*parts, tmp_path.name]


def test_a_part_that_could_not_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_table: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    log = SampleLog(tmp_path, TRIAL)
    add(log, 1)

    with pytest.raises(NotWritten, match=r"trial 12 could not be written .*No space left.* then measure again\.$"):
        log.close()
    assert list(tmp_path.iterdir()) == []


def test_a_trial_without_ops_has_no_parts(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, TRIAL)
    log.flush_if_due()

    assert log.close() == ()
    assert list(tmp_path.iterdir()) == []


def test_times_are_stored_as_differences(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, TRIAL)
    for number in range(1000):
        add(log, number * 1_000_003)
    (part,) = log.close()

    group = pq.ParquetFile(tmp_path / part).metadata.row_group(0)
    encodings = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["start_ns"].encodings
    assert encodings["start_ns"].compression == "ZSTD"
    assert "RLE_DICTIONARY" in encodings["op"].encodings
