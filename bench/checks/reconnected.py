"""Was the connection to a load generator on a host of its own lost meanwhile? The load went on, and the reader should know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import TrialResult


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    cut = [result for result in evidence.results if result.reconnects]
    return (_say(cut, len(evidence.results)),) if cut else ()


def _say(cut: list[TrialResult], of: int) -> Finding:
    times = sum(result.reconnects for result in cut)
    what = "connection to a load generator was" if times == 1 else "connections to load generators were"
    told = f"{times} {what} lost and made again, in {len(cut)} of {of} trials"
    return Finding(
        check="reconnected",
        level="info",
        cell="",
        text=f"{told}; the load went on meanwhile, and no sample was lost",
        fix="nothing, if they are few; else look at the network between this machine and the load generators, and at their sshd",
        trials=tuple(result.trial.index for result in cut),
    )


CHECK = Check(name="reconnected", when="after", look=_look)
