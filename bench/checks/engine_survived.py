"""Is each engine still the one that was measured? Containers outlive a dead engine, and their servers still answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import HostFacts, Target

_FACTS = ("kernel", "engine_version", "storage_driver", "image_store", "backing_filesystem", "mount_options")
"""What must be after the load as it was before it. A filesystem that met an error turns `rw` into `ro`."""

_DEAD = "read the engine's log and the kernel's (dmesg: OOM kills, disk errors) on that host; then down, up, and measure again"
_CHANGED = "look who restarted the host or its engine, or remounted its disk, during the run; then down, up, and measure again"


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    told = ((target, _problem(target, evidence.now.get(target.cell.host, target.host))) for target in evidence.targets)
    return tuple(
        Finding(check="engine_survived", level="error", cell=target.cell.name, text=text, fix=fix)
        for target, (text, fix) in told
        if text
    )


def _problem(target: Target, now: HostFacts | str) -> tuple[str, str]:
    host = target.cell.host
    if isinstance(now, str):
        said = " ".join(now.split())
        return f"after the load the engine of host {host} could not be asked ({said}), whether or not the server answers", _DEAD
    for fact in _FACTS:
        before, after = getattr(target.host, fact), getattr(now, fact)
        if before != after:
            words = fact.replace("_", " ")
            return f"the {words} of host {host} was {before} before the load and {after} after it", _CHANGED
    return "", ""


CHECK = Check(name="engine_survived", when="after", look=_look)
