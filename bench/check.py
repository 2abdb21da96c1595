"""The interface of a check: it looks at evidence and says what it found, with the cause and what to do. Members: `bench.checks`.

A check *before* the load compares what was planned with what was read back; one *after* it asks whether the measurement
was sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.records import Finding, Target, TrialResult, Workload

When = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a check may look at. Before the load there are targets only; `parts` are the Parquet files of the samples."""

    targets: tuple[Target, ...]
    workloads: tuple[Workload, ...] = ()
    results: tuple[TrialResult, ...] = ()
    parts: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check as a value. `look` returns no finding where all is well; it never raises for what it finds.

    A finding of level error before the load says that its cell is not what was planned: the cell is not measured.
    """

    name: str
    when: When
    look: Callable[[Evidence], tuple[Finding, ...]]


_TRIALS = """CREATE TABLE trials (
    trial BIGINT, cell VARCHAR, workload VARCHAR, block BIGINT, window_start_ns BIGINT, window_end_ns BIGINT
)"""

_SAMPLES = """CREATE VIEW samples AS
    SELECT parts.*, trials.* EXCLUDE (trial),
        start_ns >= window_start_ns AND start_ns < window_end_ns AND op NOT IN ('verify', 'prepare', 'clean_up') AS measured
    FROM parts JOIN trials USING (trial)"""
"""The last three are ops that the generator does for its own sake; what counts as measured is as in `bench.stats`."""


def query(evidence: Evidence, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over `samples`: their own columns, cell, workload, block and window of their trial, and `measured`.

    `measured` is true for ops of the workload that started inside their trial's window. No rows where there are no samples.
    """
    import duckdb  # noqa: PLC0415 - slow to import, and the checks before the load need no samples

    if not evidence.parts:
        return []
    with duckdb.connect() as database:
        database.execute(_TRIALS)
        database.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?)", [_row(result) for result in evidence.results])
        database.read_parquet([str(part) for part in evidence.parts]).create_view("parts")
        database.execute(_SAMPLES)
        rows: list[tuple[Any, ...]] = database.execute(sql).fetchall()
    return rows


def _row(result: TrialResult) -> tuple[int, str, str, int, int, int]:
    trial = result.trial
    return (trial.index, trial.cell, trial.workload, trial.block, result.window_start_ns, result.window_end_ns)
