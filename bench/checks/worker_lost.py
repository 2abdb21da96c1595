"""Were all load generators there? A trial that lost one had fewer users for a while, or other ones: it is not compared."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.check import Check, stamped

if TYPE_CHECKING:
    from bench.records import TrialResult

_FIX = "see whether the load generators' hosts still run and reach one another, and their logs; then measure again"


def _say(_short: tuple[TrialResult, ...]) -> str:
    return "not all load generators took part to the end: one was lost, or had been before, and the others went on without it"


CHECK = Check(name="worker_lost", when="after", look=partial(stamped, stamp="worker_lost", say=_say, fix=_FIX))
