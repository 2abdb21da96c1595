"""The interface of a check: it looks at evidence and says what it found, with the cause and what to do. Members: `bench.checks`.

A check *before* the load compares what was planned with what was read back; one *after* it asks whether the measurement
was sound.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from bench import lanes
from bench.errors import CowbenchError, SilentHostError
from bench.host_words import is_spot
from bench.records import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from bench.records import ClockReading, GeneratorHost, HostFacts, ServerFacts, Target, TrialResult, Workload

    ServerLog = Callable[[Target], Sequence[tuple[float, str]] | None]

When = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a check may look at. Before the load there are targets only; `parts` are the Parquet files of the samples.

    `now` has what was read back from each host after the load, or, as text, why it could not be, and `servers_now` the same of
    the server of each cell; empty where nobody looked again. `server_log` reads what is left of the log of a target's server:
    lines with their time (seconds since the epoch, of its host's clock), no key in them, the oldest first; None where it cannot
    be read.
    """

    targets: tuple[Target, ...]
    workloads: tuple[Workload, ...] = ()
    generators: tuple[GeneratorHost, ...] = ()
    clocks: tuple[ClockReading, ...] = ()
    results: tuple[TrialResult, ...] = ()
    parts: tuple[Path, ...] = ()
    now: Mapping[str, HostFacts | str] = field(default_factory=dict)
    servers_now: Mapping[str, ServerFacts] = field(default_factory=dict)
    server_log: ServerLog | None = None


class Gone(str):
    """Why a host could not be asked that gave no answer at all."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Again:
    """What was read back after the load: by host (a text says why one could not be asked), and by cell."""

    hosts: dict[str, HostFacts | str] = field(default_factory=dict)
    servers: dict[str, ServerFacts] = field(default_factory=dict)


def look_again(
    targets: Sequence[Target],
    refresh: Callable[[Target], Target],
    generators: Sequence[GeneratorHost] = (),
    refresh_generator: Callable[[GeneratorHost], GeneratorHost] | None = None,
) -> Again:
    """What both read back, or why they cannot: a host that does not answer is a finding, and is not asked a second time."""
    found = Again()
    for target in targets:
        host = target.cell.host
        if not isinstance(found.hosts.get(host), str):
            try:
                now = refresh(target)
                found.hosts[host], found.servers[target.cell.name] = now.host, now.server
            except CowbenchError as error:
                found.hosts[host] = _why(error)
    for generator in generators:
        try:
            if refresh_generator:
                found.hosts[generator.name] = refresh_generator(generator).host
        except CowbenchError as error:
            found.hosts[generator.name] = _why(error)
    return found


def _why(error: CowbenchError) -> str:
    return Gone(error.what) if isinstance(error, SilentHostError) else error.what


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check as a value. `look` returns no finding where all is well; it never raises for what it finds.

    A finding of level error before the load says that its cell is not what was planned: the cell is not measured.
    """

    name: str
    when: When
    look: Callable[[Evidence], tuple[Finding, ...]]


_MOSTLY = 0.5
"""From this share on there are too few sound trials left to speak of the cell."""


def stamped(evidence: Evidence, stamp: str, say: Callable[[tuple[TrialResult, ...]], str], fix: str) -> tuple[Finding, ...]:
    """A finding of the check named as the stamp for each cell and workload with such trials: error from half of them on.

    `say` tells of these trials what happened in them: the text goes on with how many they are.
    """
    groups: dict[tuple[str, str], list[TrialResult]] = defaultdict(list)
    for result in evidence.results:
        if not result.problem:
            groups[result.trial.cell, result.trial.workload].append(result)
    return tuple(
        Finding(
            check=stamp,
            level="error" if len(bad) >= _MOSTLY * len(group) else "warning",
            cell=cell,
            text=f"{len(bad)} of {len(group)} trials of {workload} ({len(bad) / len(group):.0%}): {say(bad)}",
            fix=fix,
            trials=tuple(result.trial.index for result in bad),
        )
        for (cell, workload), group in sorted(groups.items())
        if (bad := tuple(result for result in group if stamp in result.stamps))
    )


@dataclass(frozen=True, kw_only=True)
class Reclaimed:
    """What a cell lost: the spot VMs that went while it was measured, and its trials that do not count for that, in order.

    Such a trial has a problem, or got no answer to the end of it.
    """

    hosts: tuple[str, ...]
    lost: tuple[TrialResult, ...]


_SILENT_SHARE = 0.1
"""Of a window. Users begin ops up to its end, so of a server that is there the last answer comes after it."""


def reclaimed(evidence: Evidence) -> dict[str, Reclaimed]:
    """By cell, what a spot VM that went during the run took with it; nothing of one that went when all was measured.

    Of the VMs that do not answer after the load: those of the cells themselves, and those that their load came from.
    """
    names: dict[str, list[str]] = defaultdict(list)
    lost: dict[str, dict[int, TrialResult]] = defaultdict(dict)
    for host, cells in _silent_spot_hosts(evidence).items():
        for result in _lost(evidence, [result for result in evidence.results if result.trial.cell in cells]):
            names[result.trial.cell].append(host)
            lost[result.trial.cell][result.trial.index] = result
    return {
        cell: Reclaimed(hosts=tuple(dict.fromkeys(names[cell])), lost=tuple(trials[index] for index in sorted(trials)))
        for cell, trials in sorted(lost.items())
    }


def without_reclaimed(evidence: Evidence) -> Evidence:
    """The same without the trials that were lost with a spot VM: a check of its own tells of them, and no server failed there."""
    lost = {result.trial.index for each in reclaimed(evidence).values() for result in each.lost}
    return replace(evidence, results=tuple(result for result in evidence.results if result.trial.index not in lost))


def _silent_spot_hosts(evidence: Evidence) -> dict[str, set[str]]:
    """Spot VMs that give no answer after the load, each with the cells that cannot be measured without it.

    One that answers, and whose engine does not, was not taken away.
    """
    silent = {host for host, found in evidence.now.items() if isinstance(found, Gone)}
    cells: dict[str, set[str]] = defaultdict(set)
    for target in evidence.targets:
        drivers = [(each.name, each.host) for each in lanes.load_hosts(target, evidence.generators)]
        for name, facts in ((target.cell.host, target.host), *drivers):
            if name in silent and is_spot(facts):
                cells[name].add(target.cell.name)
    return cells


def _lost(evidence: Evidence, results: Sequence[TrialResult]) -> list[TrialResult]:
    """Of the trials that needed a host, the newest ones, back to the one in which it was last heard of, if that was cut short."""
    lost: list[TrialResult] = []
    for result in sorted(results, key=lambda each: each.trial.index, reverse=True):
        answered_ns, unanswered_ns = (0, 0) if result.problem else _last_ends(evidence, result)
        silence_ns = _SILENT_SHARE * (result.window_end_ns - result.window_start_ns)
        to_the_end = "ran_out" in result.stamps or answered_ns >= result.window_end_ns - silence_ns
        if answered_ns > unanswered_ns and to_the_end:
            break
        lost.append(result)
        if answered_ns:
            break
    return lost


def _last_ends(evidence: Evidence, result: TrialResult) -> tuple[int, int]:
    """When the trial's last op that got an answer ended, and its last that got none; 0 where there is no such op.

    Reading back what was stored counts: it comes after the window.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and the checks before the load need no samples
    from pyarrow import compute, parquet  # noqa: PLC0415 - same

    paths = _paths(evidence, result)
    if len(paths) < len(result.parts):
        # Nobody can say any more; that samples are missing is told elsewhere.
        return result.window_end_ns, 0
    if not paths:
        return 0, 0
    filters = [("trial", "=", result.trial.index), ("op", "not in", ("prepare", "clean_up"))]
    table = parquet.read_table(paths, columns=["end_ns", "error"], filters=filters)
    silent = compute.match_substring_regex(table["error"].cast(pa.string()), "^(network|timeout)/")
    return _last(table.filter(compute.invert(silent))["end_ns"]), _last(table.filter(silent)["end_ns"])


def _last(ends_ns: pa.ChunkedArray) -> int:
    from pyarrow import compute  # noqa: PLC0415 - same

    return int(compute.max(ends_ns).as_py() or 0)


_TRIALS = """CREATE TABLE trials (
    trial BIGINT, cell VARCHAR, workload VARCHAR, block BIGINT, window_start_ns BIGINT, window_end_ns BIGINT
)"""

_OWN_OPS = ("verify", "prepare", "clean_up")
"""Ops that the generator does for its own sake; what counts as measured is as in `bench.stats`."""

_SAMPLES = f"""CREATE VIEW samples AS
    SELECT parts.*, trials.* EXCLUDE (trial),
        start_ns >= window_start_ns AND start_ns < window_end_ns AND op NOT IN {_OWN_OPS} AS measured
    FROM parts JOIN trials USING (trial)"""  # noqa: S608 - the only value is the constant above


def query(evidence: Evidence, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query over `samples`: their own columns, cell, workload, block and window of their trial, and `measured`.

    `measured` is true for ops of the workload that started inside their trial's window. No rows where there are no samples.
    """
    import duckdb  # noqa: PLC0415 - slow to import, and the checks before the load need no samples

    if not evidence.parts or not evidence.results:
        return []
    with duckdb.connect() as database:
        database.execute(_TRIALS)
        database.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?)", [_row(result) for result in evidence.results])
        database.read_parquet([str(part) for part in evidence.parts]).create_view("parts")
        database.execute(_SAMPLES)
        rows: list[tuple[Any, ...]] = database.execute(sql).fetchall()
    return rows


def successes(evidence: Evidence, result: TrialResult) -> NDArray[np.float64]:
    """Start and end (nanoseconds since the window's start) and bytes of the trial's successful ops, also of its warm-up.

    One row per op. Only this trial's parts are read, so memory holds no more than one trial.
    """
    import numpy as np  # noqa: PLC0415 - slow to import, and the checks before the load need no samples
    from pyarrow import parquet  # noqa: PLC0415 - same

    paths = _paths(evidence, result)
    if not paths:
        return np.empty((0, 3))
    filters = [("trial", "=", result.trial.index), ("error", "=", ""), ("op", "not in", _OWN_OPS)]
    table = parquet.read_table(paths, columns=["start_ns", "end_ns", "bytes"], filters=filters)
    rows: NDArray[np.float64] = np.column_stack([column.to_numpy() for column in table.columns]).astype(np.float64)
    return rows - (result.window_start_ns, result.window_start_ns, 0)


def _paths(evidence: Evidence, result: TrialResult) -> list[Path]:
    """The files of this trial's samples, of those that are there."""
    names = {part.rpartition("/")[2] for part in result.parts}
    return [part for part in evidence.parts if part.name in names]


def _row(result: TrialResult) -> tuple[int, str, str, int, int, int]:
    trial = result.trial
    return (trial.index, trial.cell, trial.workload, trial.block, result.window_start_ns, result.window_end_ns)
