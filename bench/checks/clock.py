"""Do the hosts agree about the time? S3 refuses requests that seem to come from another time, and clocks that jump mislead."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.lanes import load_hosts
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import ClockReading, Target

_SKEW_S = 300.0
"""Amazon S3 answers RequestTimeTooSkewed from 15 minutes on (S3 API reference, "Error responses"); other servers are stricter."""

_JUMP_S = 1.0


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    clocks: dict[str, list[ClockReading]] = {}
    for reading in evidence.clocks:
        clocks.setdefault(reading.host, []).append(reading)
    # Cells of one host share its clock.
    targets = {target.cell.host: target for target in evidence.targets}
    skewed = (_skewed(target, evidence, clocks) for target in targets.values())
    jumped = (_jumped(host, readings) for host, readings in sorted(clocks.items()))
    return tuple(finding for findings in (*skewed, *jumped) for finding in findings)


def _skewed(target: Target, evidence: Evidence, clocks: dict[str, list[ClockReading]]) -> tuple[Finding, ...]:
    """Compares the host's clock with the clocks of those that sign its requests."""
    sources = [host.name for host in load_hosts(target, evidence.generators)] or [""]
    apart = [
        abs(ours.offset_s - theirs_s) - ours.uncertainty_s - uncertainty_s
        for source in sources
        for ours in clocks.get(target.cell.host, [])
        for theirs_s, uncertainty_s in _offsets(source, clocks, ours)
    ]
    if max(apart, default=0.0) <= _SKEW_S:
        return ()
    who = f"load generator {sources[0]}" if sources[0] else "the operator's machine"
    text = f"the clock of host {target.cell.host} is {max(apart):.0f} s from that of {who}: S3 servers refuse such requests"
    fix = "set the clocks (timedatectl set-ntp true, or chronyc makestep), then measure again"
    return (Finding(check="clock", level="error", cell=target.cell.name, text=text, fix=fix),)


def _offsets(source: str, clocks: dict[str, list[ClockReading]], near: ClockReading) -> list[tuple[float, float]]:
    """Of a source, the reading nearest in time: the offset is from the operator's clock, whose own is none."""
    if not source:
        return [(0.0, 0.0)]
    readings = sorted(clocks.get(source, []), key=lambda each: abs(_moment(each) - _moment(near)))
    return [(each.offset_s, each.uncertainty_s) for each in readings[:1]]


def _moment(reading: ClockReading) -> datetime:
    return datetime.fromisoformat(reading.read_at)


def _jumped(host: str, readings: list[ClockReading]) -> tuple[Finding, ...]:
    jumps = [
        later.offset_s - earlier.offset_s
        for earlier, later in pairwise(readings)
        if abs(later.offset_s - earlier.offset_s) > earlier.uncertainty_s + later.uncertainty_s + _JUMP_S
    ]
    if not jumps:
        return ()
    text = f"the clock of host {host} moved by {max(jumps, key=abs):+.1f} s against the operator's while it was measured"
    fix = "let chrony or timesyncd keep the host's time; samples are timed by a clock that does not jump, logs and leases are not"
    return (Finding(check="clock", level="warning", cell="", text=text, fix=fix),)


CHECK = Check(name="clock", when="after", look=_look)
