"""Did several load generators measure together for as long as was asked? What is left of a short window is a few ops' story."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.check import Check, Evidence, stamped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records import Finding, TrialResult

_FIX = "see how busy the load generators' hosts are, their logs and the network between them, or lengthen trials; measure again"

_WHOLE = 0.95
"""As the conductor stamps it: above, it was the clocks."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    asked_s = {workload.name: workload.duration_s for workload in evidence.workloads}
    return stamped(evidence, "window_short", partial(_say, asked_s), _FIX)


def _say(asked_s: Mapping[str, float], short: tuple[TrialResult, ...]) -> str:
    """Tells a window that shrank, because a gate opened late, from one that is whole by clocks that are not known well."""
    together_s = min((result.window_end_ns - result.window_start_ns) / 1e9 for result in short)
    asked = asked_s.get(short[0].trial.workload, 0.0)
    if together_s < _WHOLE * asked:
        return f"the load generators measured together for only {together_s:.3g} s of {asked:g} s, for one of them began late"
    return "by how much the load generators' clocks differ was not known to 1% of the window: messages took long between them"


CHECK = Check(name="window_short", when="after", look=_look)
