"""Samples in memory as columns, and on disk as part files that are complete or not there.

An op costs the generator about a microsecond here, and a part is written in a thread: what must not happen is that users
wait for a file.
"""

from __future__ import annotations

from array import array
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import gevent
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.client import Outcome
    from bench.records import Trial
    from bench.workload import Op

_INTEGERS: Final = (
    ("trial", "i"),
    ("worker", "i"),
    ("size_bytes", "q"),
    ("due_ns", "q"),
    ("start_ns", "q"),
    ("first_byte_ns", "q"),
    ("end_ns", "q"),
    ("bytes", "q"),
    ("status", "i"),
    ("attempt", "i"),
)
_WORDS: Final = ("op", "error")
_ORDER: Final = (
    *("trial", "worker", "op", "size_bytes", "due_ns", "start_ns", "first_byte_ns", "end_ns"),
    *("bytes", "status", "error", "attempt"),
)
"""As the fields of `bench.records.Sample`."""

_TIMES: Final = ("due_ns", "start_ns", "first_byte_ns", "end_ns")
"""Neighbours differ little: delta encoding takes a sample from 21 bytes to 7, and writing from 86 ms to 18 ms per 100 000."""


SAMPLES_SCHEMA: Final = 1

_PART_ROWS: Final = 100_000
_PART_NS: Final = 30_000_000_000
"""What a crash loses at most. A part without its end cannot be read at all, so parts are bounded."""


class Samples:
    """Columns that grow. Not to be shared between threads while growing: swap in a new one and write the old one."""

    def __init__(self) -> None:
        self._integers = {name: array(code) for name, code in _INTEGERS}
        self._codes = {name: array("i") for name in _WORDS}
        self._words: dict[str, dict[str, int]] = {name: {} for name in _WORDS}

    def __len__(self) -> int:
        return len(self._integers["trial"])

    def add(
        self,
        *,
        trial: int,
        op: str,
        size_bytes: int,
        due_ns: int,
        start_ns: int,
        first_byte_ns: int,
        end_ns: int,
        moved_bytes: int,
        status: int,
        error: str,
    ) -> None:
        """One op, by the only worker and as its only attempt. Times are of `time.perf_counter_ns()`."""
        row = (trial, 0, size_bytes, due_ns, start_ns, first_byte_ns, end_ns, moved_bytes, status, 1)
        for column, value in zip(self._integers.values(), row, strict=True):
            column.append(value)
        for name, word in (("op", op), ("error", error)):
            words = self._words[name]
            self._codes[name].append(words.setdefault(word, len(words)))

    def table(self, metadata: Mapping[str, str]) -> pa.Table:
        """The columns as an Arrow table, without copying them."""
        columns = {name: _integers(column) for name, column in self._integers.items()}
        for name, codes in self._codes.items():
            columns[name] = pa.DictionaryArray.from_arrays(_integers(codes), pa.array(list(self._words[name]), pa.string()))
        return pa.table({name: columns[name] for name in _ORDER}).replace_schema_metadata(dict(metadata))


def _integers(column: array[int]) -> pa.Array:
    kind = pa.int64() if column.typecode == "q" else pa.int32()
    return pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(column)])


def write(samples: Samples, path: Path, metadata: Mapping[str, str]) -> None:
    """Writes one part. A part under its own name is complete: it is renamed when closed. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    pq.write_table(
        samples.table(metadata),
        partial,
        compression="zstd",
        use_dictionary=[name for name in _ORDER if name not in _TIMES],
        column_encoding=dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED"),
    )
    partial.rename(path)


class SampleLog:
    """The samples of one trial: collected by `add`, written part by part."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        self._folder, self._trial = folder, trial
        self._metadata = {"trial": str(trial.index), "worker": "0", "seed": str(trial.seed), "schema": str(SAMPLES_SCHEMA)}
        self._samples = Samples()
        self._begun_ns = perf_counter_ns()
        self.parts: list[str] = []
        self.count = 0

    def add(self, op: Op, outcome: Outcome, *, name: str, start_ns: int, end_ns: int, error: str) -> None:
        """One op of a closed loop: due when it starts. `name` goes into the sample's `op`."""
        self.count += 1
        self._samples.add(
            trial=self._trial.index,
            op=name,
            size_bytes=op.size_bytes,
            due_ns=start_ns,
            start_ns=start_ns,
            first_byte_ns=outcome.first_byte_ns,
            end_ns=end_ns,
            moved_bytes=outcome.bytes,
            status=outcome.status,
            error=error,
        )

    def flush_if_due(self) -> None:
        """Writes a part in a thread when it is large or old enough; what comes meanwhile goes into the next. Raises OSError."""
        if len(self._samples) >= _PART_ROWS or (self._samples and perf_counter_ns() - self._begun_ns > _PART_NS):
            gevent.get_hub().threadpool.apply(write, self._swap())

    def close(self) -> tuple[str, ...]:
        """Writes what is left. The names of all parts. Raises OSError."""
        if len(self._samples):
            write(*self._swap())
        return tuple(self.parts)

    def _swap(self) -> tuple[Samples, Path, Mapping[str, str]]:
        full, self._samples, self._begun_ns = self._samples, Samples(), perf_counter_ns()
        self.parts.append(part_name(self._trial.index, len(self.parts)))
        return full, self._folder / self.parts[-1], self._metadata


def part_name(trial: int, part: int) -> str:
    """The file of a trial's part, both counted from 0."""
    return f"part-{trial:05d}-{part:02d}.parquet"
