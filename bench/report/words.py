"""What a run found, in sentences: its title, the warnings that stand above everything, the headline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.axes import varying_axes
from bench.report.labels import EMULATED, places, row_axes
from bench.report.phrases import counted, join, sentence
from bench.report.verdicts import statements

if TYPE_CHECKING:
    from bench.records import Run, Summary

PLURALS = {"data_placement": "data placements", "server": "servers", "machine_image": "machine images", "cloud": "clouds"}


def headline(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return what the run found, one sentence each, the warnings first: the last lines of a terminal, the first of a report."""
    found = [
        f"Under {', '.join(filter(None, (one.workload, one.where)))}: {one.text}." if one.workload else sentence(one.text)
        for one in statements(run, summary)
    ]
    return (*alarms(run, summary), *found)


def title(run: Run) -> str:
    """Say in one line what was compared with what."""
    rows, varying = row_axes(run), varying_axes(run.plan)
    configurations = len({tuple(getattr(cell, axis) for axis in rows) for cell in run.plan})
    kind = "storage driver configuration" if "driver" in rows else "cell"
    if {"driver", "machine_image"} <= set(rows):
        kind = "configuration"
    counts = [counted(configurations, kind)]
    counts += [
        f"{len({getattr(cell, axis) for cell in run.plan})} {PLURALS.get(axis, axis.replace('_', ' ') + ' values')}"
        for axis in varying
        if axis not in rows
    ]
    counts[0] += " of storage driver and kernel" if kind == "configuration" else ""
    emulated = {target.host.emulated for target in run.targets}
    mark = f", {EMULATED}" if emulated == {True} else f", partly {EMULATED}" if True in emulated else ""
    return " \u00d7 ".join([*counts, counted(len(run.load.workloads), "workload")]) + mark


def alarms(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return what a reader must know before any number, each with what to do next. Empty when all is well."""
    where = places(run, summary)
    said = []
    if run.state != "complete":
        done = sum(cell.trials for cell in summary.cells)
        said.append(
            f"The run is {'still running' if run.state == 'running' else 'interrupted'}: {done} of {len(run.schedule)} planned "
            "trials are summarised here. While its stack stands, `cowbench run --resume` measures the rest."
        )
    if not summary.sound:
        said.append("Measured, but not sound: no verdict. The findings say what to change; then run again.")
    said += _emulation(run)
    errors = [finding for finding in run.findings if finding.level == "error"]
    if errors:
        named = dict.fromkeys(
            f"{e.check} ({where[e.cell].full if e.cell in where else e.cell})" if e.cell else e.check for e in errors
        )
        said.append(f"{counted(len(errors), 'error')} found by checks: {join(list(named))}. See the findings for the cure.")
    return tuple(said)


_EMULATED_CLIENT = (
    "Emulated: the load came from hosts without hardware virtualisation, so every number, all marked emulated, is theirs as much"
    " as the servers'. Read them as ratios within this run; for speed, drive the load from hardware, or from a host with KVM."
)


def _emulation(run: Run) -> list[str]:
    """Say what emulated numbers are good for, and what not; nothing where every host had hardware of its own."""
    emulated = {target.cell.host for target in run.targets if target.host.emulated}
    if not emulated:
        driven = any(generator.host.emulated for generator in run.generators)
        return [_EMULATED_CLIENT] if driven else []
    hosts = {target.cell.host for target in run.targets}
    which = "all hosts" if emulated == hosts else f"{counted(len(emulated), 'host')} of {len(hosts)}"
    told = (
        f"Emulated: {which} ran without hardware virtualisation, every instruction translated in software. What works and what"
        " fails holds on hardware too, timeouts apart. Rates and latencies, all marked emulated, do not: read them as ratios"
        " within this run. They are never compared with hardware. For speed, use a host with KVM, or a cloud."
    )
    return [told]
