"""Samples read back from Parquet, one trial at a time: memory holds one trial's rows, however long the run was."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import duckdb

from bench.errors import InputError
from bench.stats.trial import RECLAIMED, MeasuredTrial, Ops, evaluate, marks, window_s

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from bench.records import TrialResult

NOT_OF_THE_WORKLOAD = ("verify", "prepare", "clean_up")
"""Ops that the generator does for its own sake: reading back what was written, making and removing objects."""

_OPS = """
    SELECT due_ns, start_ns, end_ns, "bytes", "error" = '' AS succeeded
    FROM read_parquet($files) WHERE trial = $trial AND NOT list_contains($others, op)
"""
_FAILURES = """
    SELECT "error", count(*) FROM read_parquet($files)
    WHERE trial = $trial AND NOT list_contains($others, op) AND "error" <> '' AND start_ns >= $start AND start_ns < $end
    GROUP BY "error" ORDER BY count(*) DESC, "error"
"""

_BROKEN = """
    SELECT 1 FROM read_parquet($files)
    WHERE trial = $trial AND "error" <> '' AND (op = 'verify' AND NOT $reclaimed OR starts_with("error", 'integrity/')) LIMIT 1
"""
"""An object that cannot be read back is as lost as one that comes back wrong, whatever the server says of it.

Where its spot VM was taken away nobody says anything.
"""


class Samples:
    """The sample parts of one run folder. A context manager: it holds a connection.

    Only the parts that a result names are read: a part that a killed trial left behind is not part of any result.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # One thread: a trial is small, and starting more costs more than it saves, twice the time over 216 parts.
        self._connection = duckdb.connect(config={"threads": 1})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def measure(self, result: TrialResult) -> MeasuredTrial:
        """Return the values of one trial; raises InputError for a part that is missing or cannot be read."""
        files = self._files(result)
        start, end = result.window_start_ns, result.window_end_ns
        ops = self._ops(files, result.trial.index)
        has_samples = ops is not None and ops.start_ns.size > 0
        values = evaluate(ops, start, end) if ops is not None and has_samples and start < end else None
        return MeasuredTrial(
            trial=result.trial,
            window_s=window_s(result),
            marks=marks(result, has_samples=has_samples, intact=self._intact(files, result)),
            values=values,
            client_cpu_share=result.health.cpu_share if result.health else None,
            failures=self._failures(files, result) if values is not None and values.failed_ops else {},
        )

    def _files(self, result: TrialResult) -> list[str]:
        files = [self._folder / Path(part).name for part in result.parts]
        for file in files:
            if not file.is_file():
                raise InputError("a part of the samples is missing", where=str(file), next_step=_RESTORE)
        return [str(file) for file in files]

    def _ops(self, files: list[str], trial: int) -> Ops | None:
        if not files:
            return None
        with _reading(files):
            return Ops(**self._query(_OPS, files, trial=trial, others=list(NOT_OF_THE_WORKLOAD)).fetchnumpy())

    def _failures(self, files: list[str], result: TrialResult) -> dict[str, int]:
        window = {"start": result.window_start_ns, "end": result.window_end_ns}
        with _reading(files):
            query = self._query(_FAILURES, files, trial=result.trial.index, others=list(NOT_OF_THE_WORKLOAD), **window)
            return dict(query.fetchall())

    def _intact(self, files: list[str], result: TrialResult) -> bool:
        with _reading(files):
            asked = {"trial": result.trial.index, "reclaimed": RECLAIMED in result.stamps}
            return not files or self._query(_BROKEN, files, **asked).fetchone() is None

    def _query(self, text: str, files: list[str], **values: object) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(text, {"files": files, **values})


@contextmanager
def _reading(files: list[str]) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise InputError(
            f"the samples cannot be read ({str(error).splitlines()[0]})", where=", ".join(files), next_step=_RESTORE
        ) from None


_RESTORE = "bring the whole run folder back from where it was measured, or measure again with `cowbench run`"
