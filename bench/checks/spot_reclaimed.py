"""Was a spot VM taken away while it was measured? Its cells are left out from there on; the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, reclaimed
from bench.records import Finding

if TYPE_CHECKING:
    from bench.check import Evidence

_FIX = "run again; without deploy.spot where all numbers must be whole: a spot VM goes when somebody pays more"


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            check="spot_reclaimed",
            level="error",
            cell=cell,
            text=f"the spot VM {host} does not answer any more, most likely its cloud took it away: the last {len(lost)} of "
            f"{sum(result.trial.cell == cell for result in evidence.results)} trials were not measured "
            f"({' '.join(lost[0].problem.split())}); those before stand",
            fix=_FIX,
            trials=tuple(result.trial.index for result in lost),
        )
        for cell, (host, lost) in reclaimed(evidence).items()
    )


CHECK = Check(name="spot_reclaimed", when="after", look=_look)
