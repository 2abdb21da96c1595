"""Was the generator the limit? Trials stamped `client_bound` measured the client, not the storage driver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.check import Check, stamped

if TYPE_CHECKING:
    from bench.records import TrialResult

# Left out or not, such trials spoil the rest: those that stay are the ones in which the server was slow enough.
_FIX = "lower concurrency, use larger objects or a lighter client, or more or larger generators; then run again"


def _say(bound: tuple[TrialResult, ...]) -> str:
    shares = [result.health.cpu_share for result in bound if result.health]
    busy = f", it used up to {max(shares):.0%} of a core" if shares else ""
    return f"the load generator was the limit{busy}"


CHECK = Check(name="client_bound", when="after", look=partial(stamped, stamp="client_bound", say=_say, fix=_FIX))
