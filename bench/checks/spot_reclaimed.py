"""Was a spot VM taken away while it was measured? Its cells are left out from there on; the others go on.

The trial in which it went does not count either: it is the slower for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, reclaimed
from bench.records import Finding

if TYPE_CHECKING:
    from bench.check import Evidence, Reclaimed

_FIX = "run again; without deploy.spot where all numbers must be whole: a spot VM goes when somebody pays more"


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            check="spot_reclaimed",
            level="error",
            cell=cell,
            text=f"{_gone(each.hosts)}, most likely its cloud took it away: "
            f"{_told(each, sum(result.trial.cell == cell for result in evidence.results))}; those before stand",
            fix=_FIX,
            trials=tuple(result.trial.index for result in each.lost),
        )
        for cell, each in reclaimed(evidence).items()
    )


def _gone(hosts: tuple[str, ...]) -> str:
    if len(hosts) == 1:
        return f"the spot VM {hosts[0]} does not answer any more"
    return f"none of the spot VMs {', '.join(hosts)} answers any more"


def _told(found: Reclaimed, trials: int) -> str:
    unmeasured = [result for result in found.lost if result.problem]
    cut = len(found.lost) - len(unmeasured)
    told = []
    if unmeasured:
        why = " ".join(unmeasured[0].problem.split())
        told.append(f"the last {len(unmeasured)} of {trials} trials were not measured ({why})")
    if cut:
        before = " before them" if unmeasured else f" of {trials} trials"
        told.append(f"the last {cut}{before} got no answer to the end, and do not count")
    return ", ".join(told)


CHECK = Check(name="spot_reclaimed", when="after", look=_look)
