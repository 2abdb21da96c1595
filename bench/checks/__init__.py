"""The checks by name. Adding one: a file in this folder and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bench.check import Check, Evidence, When
from bench.records import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from bench.check import Again, ServerLog
    from bench.records import Run, TrialResult

CHECKS = (
    "server_answers",
    "driver_in_use",
    "kernel_in_use",
    "engine_in_use",
    "filesystem_in_use",
    "same_image",
    "failures",
    "integrity",
    "client_bound",
    "ran_out",
    "held_up",
    "stolen",
    "unsettled",
    "worker_lost",
    "window_short",
    "steady",
    "clock",
    "engine_survived",
    "kernel_log",
    "reconnected",
    "spot_reclaimed",
)


def load(name: str) -> Check:
    """The check of that name. Raises ModuleNotFoundError for a name that is not in `CHECKS`."""
    check: Check = import_module(f"bench.checks.{name}").CHECK
    return check


def look(when: When, evidence: Evidence) -> tuple[Finding, ...]:
    """What all checks of that moment find, in the order of `CHECKS`."""
    checks = [load(name) for name in CHECKS]
    return tuple(finding for check in checks if check.when == when for finding in _look(check, evidence))


def look_after(
    run: Run,
    results: tuple[TrialResult, ...],
    parts: tuple[Path, ...],
    again: Again | None = None,
    server_log: ServerLog | None = None,
) -> tuple[Finding, ...]:
    """What the checks after the load find in a run; `parts` are the files of its samples, the rest is as in `Evidence`."""
    evidence = Evidence(
        targets=run.targets,
        workloads=run.load.workloads,
        generators=run.generators,
        clocks=run.clocks,
        results=results,
        parts=parts,
        now=again.hosts if again else {},
        servers_now=again.servers if again else {},
        server_log=server_log,
    )
    return look("after", evidence)


def _look(check: Check, evidence: Evidence) -> tuple[Finding, ...]:
    try:
        return check.look(evidence)
    except Exception as error:  # noqa: BLE001 - hours of load must not be lost to a fault in one check; it becomes a finding
        text = f"the check could not look: {type(error).__name__}: {error}"
        fix = "read the samples yourself before trusting the numbers, and report the fault"
        return (Finding(check=check.name, level="error", cell="", text=text, fix=fix),)
