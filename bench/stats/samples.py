"""Samples read back from Parquet, one trial at a time: memory holds one trial's rows, however long the run was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import duckdb

from bench.errors import InputError
from bench.stats.trial import MeasuredTrial, Ops, evaluate, marks, window_s

if TYPE_CHECKING:
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
            marks=marks(result, has_samples=has_samples),
            values=values,
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
        try:
            self._connection.execute(_OPS, {"files": files, "trial": trial, "others": list(NOT_OF_THE_WORKLOAD)})
            return Ops(**self._connection.fetchnumpy())
        except duckdb.Error as error:
            raise _unreadable(files, error) from None

    def _failures(self, files: list[str], result: TrialResult) -> dict[str, int]:
        values = {"start": result.window_start_ns, "end": result.window_end_ns, "others": list(NOT_OF_THE_WORKLOAD)}
        try:
            self._connection.execute(_FAILURES, {"files": files, "trial": result.trial.index, **values})
            return dict(self._connection.fetchall())
        except duckdb.Error as error:
            raise _unreadable(files, error) from None


_RESTORE = "bring the whole run folder back from where it was measured, or measure again with `cowbench run`"


def _unreadable(files: list[str], error: duckdb.Error) -> InputError:
    reason = str(error).splitlines()[0]
    return InputError(f"the samples cannot be read ({reason})", where=", ".join(files), next_step=_RESTORE)
