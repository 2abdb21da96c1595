"""Which ops and trials failed, in words: where, how many, what it likely means, what to do. A failure is a measurement, too."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from bench import server_log
from bench.check import Check, Evidence, query, without_reclaimed
from bench.records import Finding
from bench.server_log import Logs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import TrialResult

_MOSTLY = 0.5
"""From this share on, what was measured is the failure and not the storage driver."""

_FAILURE = re.compile(r"\b([a-z0-9]+)/([a-z_]+)/\w")
"""Layer and kind of a `bench.errors.Failure`, alone or within a sentence."""

_PER_CELL = """
    SELECT cell, error, failed, ops, workloads, trials
    FROM (
        SELECT cell, error, count(*) AS failed, list(DISTINCT workload ORDER BY workload) AS workloads,
            list(DISTINCT trial ORDER BY trial) AS trials
        FROM samples WHERE measured AND error <> '' AND NOT starts_with(error, 'integrity/') GROUP BY cell, error
    ) JOIN (SELECT cell, count(*) AS ops FROM samples WHERE measured GROUP BY cell) USING (cell)
    ORDER BY cell, failed DESC, error
"""

_MEANING = {
    "client/limit": (
        "the generator ran out of ports, descriptors or memory",
        "raise its limits (ulimit -n) or lower concurrency",
    ),
    "client/credentials": (
        "the generator had no keys for this target",
        "give the credential that the target names, then run again",
    ),
    "network/refused": (
        "nobody listened at the endpoint: the server had ended or was starting",
        "read the container's log and state",
    ),
    "network/reset": (
        "the server or something on the way cut connections",
        "read the container's log; look for restarts and OOM kills",
    ),
    "network/closed": (
        "the server closed connections before its answer was complete",
        "read the container's log; look for OOM kills",
    ),
    "network/dns": ("the endpoint's name did not resolve", "use an address, or mend the resolver of the generator's host"),
    "timeout/connect": ("the server did not accept connections in time", "look at its load and backlog; lower concurrency"),
    "timeout/read": (
        "the server did not answer in time",
        "look for stalls of its disk (dmesg, iostat); raise op_timeout_s only if slow is meant",
    ),
    "timeout/write": ("the server stopped reading what was sent", "look for stalls of its disk (dmesg, iostat)"),
    "timeout/total": (
        "ops took longer than op_timeout_s",
        "look for stalls of the disk; raise op_timeout_s only if slow is meant",
    ),
    "full": (
        "the server's disk, or its inodes, ran out",
        "look at df and df -i of the data root; use a larger disk or fewer objects",
    ),
    "throttled": ("the server asked to slow down", "lower concurrency, or raise the server's limits"),
    "denied": ("the server refused the keys or the clock differs", "compare the credential and the clocks of both hosts"),
    "not_found": (
        "objects that were prepared were not there",
        "look for lost writes in the container's log before trusting anything else",
    ),
    "internal": ("the server failed inside", "read the container's log and the kernel's (dmesg) at that time"),
}
"""Layer and kind, or the kind alone, of `bench.errors.Failure`: what it likely means, and what to do."""

_TOLD_BY_LOG = "internal"
"""The kind of a failure of which only the server knows the cause."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    kept = without_reclaimed(evidence)
    logs = Logs(kept)
    return (*_failed_ops(kept, logs), *_failed_trials(kept, logs))


def _failed_ops(evidence: Evidence, logs: Logs) -> tuple[Finding, ...]:
    return tuple(_say(logs, row) for row in query(evidence, _PER_CELL))


def _say(logs: Logs, row: tuple[Any, ...]) -> Finding:
    cell, error, failed, ops, workloads, trials = row
    cause, fix = _explain_of_trials(logs, cell, error, trials)
    counted = f"{failed} of {ops} ops ({failed / ops:.2%}) failed with {error}, in {', '.join(workloads)} ({_trials(trials)})"
    return Finding(
        check="failures",
        level="error" if failed >= _MOSTLY * ops else "warning",
        cell=cell,
        text=f"{counted}: {cause}" if cause else counted,
        fix=fix,
        trials=tuple(trials),
    )


def _failed_trials(evidence: Evidence, logs: Logs) -> tuple[Finding, ...]:
    by_cell: dict[str, list[TrialResult]] = defaultdict(list)
    for result in evidence.results:
        by_cell[result.trial.cell].append(result)
    return tuple(
        finding
        for cell, all_of in sorted(by_cell.items())
        for finding in _without_samples(logs, cell, all_of, [r for r in all_of if r.problem])
    )


def _without_samples(logs: Logs, cell: str, all_of: list[TrialResult], failed: list[TrialResult]) -> tuple[Finding, ...]:
    if not failed:
        return ()
    trials = tuple(result.trial.index for result in failed)
    cause, fix = _explain_of_trials(logs, cell, failed[0].problem, trials)
    counted = f"{len(failed)} of {len(all_of)} trials have no samples, the first: {failed[0].problem.rstrip('.')}"
    return (
        Finding(
            check="failures",
            level="error" if len(failed) >= _MOSTLY * len(all_of) else "warning",
            cell=cell,
            text=f"{counted}: {cause}" if cause else counted,
            fix=fix,
            trials=trials,
        ),
    )


def _explain_of_trials(logs: Logs, cell: str, text: str, trials: Sequence[int]) -> tuple[str, str]:
    """As `_explain`, with the server's own words where it said no more than that it failed."""
    from bench import knowledge  # noqa: PLC0415 - its data files are read only where something failed

    cause, fix = _explain(text)
    if knowledge.explain(text) or _TOLD_BY_LOG not in {kind for _, kind in _FAILURE.findall(text)}:
        return cause, fix
    found = logs.complaints(cell, trials)
    if found and (known := server_log.known(found)):
        complaint, meaning = known
        ordered = sorted(found, key=lambda each: each is not complaint)
        return f"{cause}{server_log.words(ordered)}: {meaning.cause.rstrip('.')}", meaning.cure
    if found:
        fix = f"read what stands around it: cowbench logs {cell} --part server; and the kernel's log (dmesg) of that time"
    return cause + server_log.words(found), fix


def _explain(text: str) -> tuple[str, str]:
    """The likely cause and the cure: of a known message, else of the failure's kind. The cause is empty when it is not known."""
    from bench import knowledge  # noqa: PLC0415 - its data files are read only where something failed

    for known in knowledge.explain(text):
        return known.cause.rstrip("."), known.cure
    for layer, kind in _FAILURE.findall(text):
        if known_kind := _MEANING.get(f"{layer}/{kind}") or _MEANING.get(kind):
            return known_kind
    return "", "read the container's log and the kernel's (dmesg) at that time"


def _trials(trials: list[int]) -> str:
    return "1 trial" if len(trials) == 1 else f"{len(trials)} trials"


CHECK = Check(name="failures", when="after", look=_look)
