"""Did the hypervisor give the host's time to other virtual machines? Such trials are left out: neighbours were measured too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.check import Check, stamped

if TYPE_CHECKING:
    from bench.records import TrialResult

_FIX = "use an instance type with dedicated cores, or measure when the neighbours are quiet"


def _say(shared: tuple[TrialResult, ...]) -> str:
    shares = [result.health.host_steal_share for result in shared if result.health]
    how_much = f", up to {max(shares):.0%} of the time" if shares else ""
    return f"the hypervisor gave the host's cores to others{how_much}"


CHECK = Check(name="stolen", when="after", look=partial(stamped, stamp="stolen", say=_say, fix=_FIX))
