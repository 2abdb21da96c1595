"""Is the planned engine version the one that runs? An engine axis that states a version (`docker_ce-28.3`) must be running it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_STATED = re.compile(r"\d+\.\d+(?:\.\d+)*")


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(_differs(target) for target in evidence.targets if not _runs_stated_version(target))


def _runs_stated_version(target: Target) -> bool:
    stated = _STATED.search(target.cell.engine)
    return stated is None or re.match(rf"{re.escape(stated[0])}(?!\d)", target.host.engine_version) is not None


def _differs(target: Target) -> Finding:
    return Finding(
        check="engine_in_use",
        level="error",
        cell=target.cell.name,
        text=f"planned engine {target.cell.engine}, running is {target.host.engine_version}",
        fix="pin the engine's packages, look which dockerd is first on PATH, then down and up",
    )


CHECK = Check(name="engine_in_use", when="before", look=_look)
