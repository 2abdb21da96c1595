"""Samples in memory as columns, and on disk as part files that are complete or not there.

An op costs the generator about a microsecond here, and a part is written in a thread: what must not happen is that users
wait for a file.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, TypeVar

import gevent
import pyarrow as pa
import pyarrow.parquet as pq

from bench.generator import durable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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

WRITE_S: Final = 120.0
"""What a disk may take for a part: it may be busy for long with what the servers wrote, but a hung one must be noticed."""

T = TypeVar("T")


class NotWritten(Exception):  # noqa: N818 - reads as the event that it is
    """Samples of a trial did not get to the disk; `str()` is a sentence with what to do next."""


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
        worker: int,
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
        """One op, as its only attempt. Times are of `time.perf_counter_ns()`, or of the clock that all workers go by."""
        row = (trial, worker, size_bytes, due_ns, start_ns, first_byte_ns, end_ns, moved_bytes, status, 1)
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


def write(samples: Samples, path: Path, metadata: Mapping[str, str]) -> str:
    """Writes one part and gives the SHA-256 of its bytes. Raises OSError.

    A part under its own name is complete: it is renamed when closed.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        pq.write_table(
            samples.table(metadata),
            partial,
            compression="zstd",
            use_dictionary=[name for name in _ORDER if name not in _TIMES],
            column_encoding=dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED"),
        )
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        partial.rename(path)
    except OSError:
        # On a disk that is full it is in the way of the next trial's samples.
        partial.unlink(missing_ok=True)
        raise
    return digest


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which of several workers writes: `shift_ns` takes its clock to the one that all go by, give or take `uncertainty_ns`."""

    worker: int
    shift_ns: int
    uncertainty_ns: int


class SampleLog:
    """The samples of one trial: collected by `add`, written part by part. Without an origin by the only worker there is."""

    def __init__(self, folder: Path, trial: Trial, origin: Origin | None = None) -> None:
        self._folder, self._trial, self._origin = folder, trial, origin
        self._worker, self._shift_ns = (origin.worker, origin.shift_ns) if origin else (0, 0)
        told = {"trial": trial.index, "worker": self._worker, "seed": trial.seed, "schema": SAMPLES_SCHEMA}
        if origin:
            told |= {"clock_shift_ns": origin.shift_ns, "clock_uncertainty_ns": origin.uncertainty_ns}
        self._metadata = {name: str(value) for name, value in told.items()}
        self._samples = Samples()
        self._begun_ns = perf_counter_ns()
        self.parts: list[str] = []
        self.digests: dict[str, str] = {}
        """Part → SHA-256, for whoever takes the parts to another host."""
        self.count = 0
        self._failure = ""

    def add(self, op: Op, outcome: Outcome, *, name: str, start_ns: int, end_ns: int, error: str) -> None:
        """One op of a closed loop: due when it starts. `name` goes into the sample's `op`."""
        self.count += 1
        shift_ns = self._shift_ns
        self._samples.add(
            trial=self._trial.index,
            worker=self._worker,
            op=name,
            size_bytes=op.size_bytes,
            due_ns=start_ns + shift_ns,
            start_ns=start_ns + shift_ns,
            # 0 says that no byte came, on every clock.
            first_byte_ns=outcome.first_byte_ns and outcome.first_byte_ns + shift_ns,
            end_ns=end_ns + shift_ns,
            moved_bytes=outcome.bytes,
            status=outcome.status,
            error=error,
        )

    def flush_if_due(self) -> None:
        """Writes a part when it is large or old enough; what comes meanwhile goes into the next.

        Must be let come to its end before `close`, which tells what failed here: the trial itself goes on without a disk.
        """
        if len(self._samples) >= _PART_ROWS or (self._samples and perf_counter_ns() - self._begun_ns > _PART_NS):
            self._write()

    def close(self) -> tuple[str, ...]:
        """Writes what is left and flushes all to the disk. The names of all parts. Raises NotWritten.

        Only now, after the window: a flush of ours amid it would be work for a disk that may be the servers' too.
        """
        if len(self._samples):
            self._write()
        missing = [part for part in self.parts if part not in self.digests]
        if missing and not self._failure:
            self._failure = f"{missing[0]} was given up"
        if self.parts and not missing:
            self._in_thread(durable.flush, self._folder, tuple(self.parts))
        if self._failure:
            told = f"the samples of trial {self._trial.index} could not be written ({self._failure})"
            raise NotWritten(f"{told}. See whether the load generator's disk has space left and is well, then measure again.")
        return tuple(self.parts)

    def _write(self) -> None:
        part = self._swap()
        if digest := self._in_thread(write, *part):
            self.digests[part[1].name] = digest

    def _in_thread(self, do: Callable[..., T], *given: object) -> T | None:
        """What it gives; nothing where it fails, and then that is kept for the end."""
        late = TimeoutError(f"the disk took longer than {WRITE_S:.0f} s")
        try:
            with gevent.Timeout(WRITE_S, late):
                done: T = gevent.get_hub().threadpool.apply(do, given)
                return done
        except OSError as error:
            self._failure = self._failure or str(error)
        return None

    def _swap(self) -> tuple[Samples, Path, Mapping[str, str]]:
        full, self._samples, self._begun_ns = self._samples, Samples(), perf_counter_ns()
        self.parts.append(part_name(self._trial.index, len(self.parts), self._origin.worker if self._origin else None))
        return full, self._folder / self.parts[-1], self._metadata


def part_name(trial: int, part: int, worker: int | None = None) -> str:
    """The file of a trial's part, all counted from 0. Several workers' parts come to lie in one folder."""
    return f"part-{trial:05d}-{part:02d}.parquet" if worker is None else f"part-{trial:05d}-w{worker:02d}-{part:02d}.parquet"
