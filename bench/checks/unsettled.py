"""Was everything on the disk before a trial began? Else what was written before it went on being written during it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.check import Check, stamped

if TYPE_CHECKING:
    from bench.records import TrialResult

_FIX = "see which host writes for so long and what; give the hosts faster disks, or smaller workloads, then measure again"


def _say(_early: tuple[TrialResult, ...]) -> str:
    return "a host was still writing out what came before when the trial began"


CHECK = Check(name="unsettled", when="after", look=partial(stamped, stamp="unsettled", say=_say, fix=_FIX))
