"""Was the generator the limit? Trials stamped `client_bound` measured the client, not the storage driver."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import TrialResult

STAMP = "client_bound"
_MOSTLY = 0.5
"""From this share on there are too few sound trials left to speak of the cell."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    groups: dict[tuple[str, str], list[TrialResult]] = defaultdict(list)
    for result in evidence.results:
        if not result.problem:
            groups[result.trial.cell, result.trial.workload].append(result)
    found = [
        _say(cell, workload, bound, len(group))
        for (cell, workload), group in sorted(groups.items())
        if (bound := [result for result in group if STAMP in result.stamps])
    ]
    return (*found, *_repeated(evidence))


def _repeated(evidence: Evidence) -> tuple[Finding, ...]:
    again = [result for result in evidence.results if result.repeats]
    if not again:
        return ()
    text = f"{len(again)} of {len(evidence.results)} trials were measured again, because the generator had been held up"
    fix = "nothing, if they are few; else leave the host to the bench, or lower concurrency"
    trials = tuple(result.trial.index for result in again)
    return (Finding(check="client_bound", level="info", cell="", text=text, fix=fix, trials=trials),)


def _say(cell: str, workload: str, bound: list[TrialResult], of: int) -> Finding:
    return Finding(
        check="client_bound",
        level="error" if len(bound) >= _MOSTLY * of else "warning",
        cell=cell,
        text=f"the load generator limited {len(bound)} of {of} trials of {workload} ({len(bound) / of:.0%}){_busy(bound)}",
        fix="lower concurrency, use larger objects or a lighter client, or give the generator a host of its own",
        trials=tuple(result.trial.index for result in bound),
    )


def _busy(bound: list[TrialResult]) -> str:
    shares = [result.health.cpu_share for result in bound if result.health]
    return f": it used up to {max(shares):.0%} of a core" if shares else ""


CHECK = Check(name="client_bound", when="after", look=_look)
