"""What a person reads of plans, steps and findings. Shows, decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.host_words import image_name
from bench.report.axes import naming_axes
from bench.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.records import Cell, Finding
    from bench.terminal import Screen
    from stacks.lifecycle import Step
    from stacks.matrix import Matrix
    from stacks.plan import Plan


def show_plan(screen: Screen, matrix: Matrix, planned: Plan) -> None:
    """The cells, those left out with their reason (once per host), and how much load it will be."""
    load = matrix.load
    screen.say(
        f"{counted(len(planned.cells), 'cell')}, {len(planned.left_out)} left out; "
        f"{counted(len(load.workloads), 'workload')}, {counted(load.blocks, 'block')}, seed {load.seed}"
    )
    cells = [*planned.cells, *(one.cell for one in planned.left_out)]
    for cell in planned.cells:
        placement = cell.data_placement.replace("_", " ")
        screen.say(f"  {cell.name:<50} {_host(cell, cells)}, {cell.server}, {placement}")
    seen: set[str] = set()
    for left_out in planned.left_out:
        cell = left_out.cell
        if cell.host not in seen:
            screen.say(f"  left out: {_host(cell, cells)}: {left_out.reason} ({left_out.source})", "yellow")
            screen.say(f"            next: {left_out.fix}", "dim")
        seen.add(cell.host)
    passes = len(planned.cells) * load.blocks
    seconds = sum(workload.warm_up_s + workload.duration_s for workload in load.workloads) * passes
    screen.say(f"{counted(passes * len(load.workloads), 'trial')}, {seconds:.0f} s of load")
    if load.generators:
        screen.say(f"load from {counted(load.generators.count, 'host')} of their own in every region of a cloud")


def _host(cell: Cell, cells: Sequence[Cell]) -> str:
    """What tells a cell's host from the others: `devicemapper on ext4, debian-bullseye`."""
    said = ("driver", "backing_filesystem", "server", "data_placement")
    others = [image_name(getattr(cell, axis)) for axis in naming_axes(cells) if axis not in said]
    return ", ".join([f"{cell.driver} on {cell.backing_filesystem}", *others])


def show_warnings(screen: Screen, planned: Plan) -> None:
    """Each warning once, with the hosts it speaks of: what holds for a driver holds for all of its cells."""
    hosts = {cell.name: cell.host for cell in planned.cells}
    concerned: dict[tuple[str, str], dict[str, None]] = {}
    for warning in planned.warnings:
        names = concerned.setdefault((warning.text, warning.fix), {})
        if warning.cell:
            names[hosts[warning.cell]] = None
    for (text, fix), names in concerned.items():
        screen.say(f"warning: {', '.join(names)}{': ' if names else ''}{text}", "yellow")
        screen.say(f"  next: {fix}", "dim")


def step_lines(screen: Screen) -> Callable[[Step], None]:
    """A listener that prints each finished step of Pulumi."""

    def show(step: Step) -> None:
        if step.done:
            screen.say(f"     {step.operation:<8}{step.kind:<16}{step.name}", "dim")

    return show


def show_findings(screen: Screen, findings: Sequence[Finding], none: str) -> None:
    """Each finding with what to do next; `none` where there is none."""
    for finding in findings:
        place = f"{finding.cell}: " if finding.cell else ""
        screen.say(f"{finding.level}: {place}{finding.text}", "red" if finding.level == "error" else "yellow")
        screen.say(f"  next: {finding.fix}", "dim")
    if not findings and none:
        screen.say(none)
