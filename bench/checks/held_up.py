"""Did others keep the generator from its CPU? Such trials are measured again if they may be, and else left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, Evidence, stamped
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import TrialResult

_STAMP = "held_up"
_FIX = "leave the host to the bench, or give the generator a larger one of its own"
_NS_PER_MS = 1e6


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return (*stamped(evidence, _STAMP, _say, _FIX), *_repeated(evidence))


def _say(late: tuple[TrialResult, ...]) -> str:
    lags = [result.health.hub_lag_p99_ns for result in late if result.health]
    how_late = f", one wake-up in a hundred up to {max(lags) / _NS_PER_MS:.0f} ms late" if lags else ""
    return f"the load generator was kept waiting for a CPU by others{how_late}"


def _repeated(evidence: Evidence) -> tuple[Finding, ...]:
    again = [result for result in evidence.results if result.repeats]
    if not again:
        return ()
    why = "because the generator's host had been disturbed or a disk was not yet quiet"
    text = f"{len(again)} of {len(evidence.results)} trials were measured again, {why}"
    fix = "nothing, if they are few; else leave the host to the bench, or lower concurrency"
    trials = tuple(result.trial.index for result in again)
    return (Finding(check=_STAMP, level="info", cell="", text=text, fix=fix, trials=trials),)


CHECK = Check(name=_STAMP, when="after", look=_look)
