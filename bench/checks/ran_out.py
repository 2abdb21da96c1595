"""Did the objects last? A trial that used them all up ended early, and the faster the server, the sooner."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.check import Check, stamped

if TYPE_CHECKING:
    from bench.records import TrialResult

_FIX = "raise the workload's objects, or shorten its trials; then run again"


def _say(_ended: tuple[TrialResult, ...]) -> str:
    return "the objects that stood ready were used up before the trial's end"


CHECK = Check(name="ran_out", when="after", look=partial(stamped, stamp="ran_out", say=_say, fix=_FIX))
