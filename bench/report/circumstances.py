"""Tables of what stands around the numbers: the servers as read back, the cells left out, the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.host_words import image_name, without_paths
from bench.report.axes import AXIS_WORDS, varying_axes
from bench.report.labels import places, shortened
from bench.report.table import Entry, Group, Head, Table, differing_facts, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.records import Run, ServerFacts, Summary
    from bench.report.labels import Place

_SHOWN_TRIALS = 8


def servers(run: Run, summary: Summary) -> tuple[dict[str, str], Table | None]:
    """Return what is true of every server, and a table of what differs between them; None when nothing does."""
    where = places(run, summary)
    return differing_facts("cell", {whose(target.cell.name, where): _server(target.server) for target in run.targets})


def left_out(run: Run) -> Table | None:
    """The points of the matrix that were not built, and why; equal reasons share a row."""
    if not run.left_out:
        return None
    varying = varying_axes([*run.plan, *(one.cell for one in run.left_out)])
    shared: dict[tuple[str, str, str], list[str]] = {}
    for one in run.left_out:
        named = ", ".join(
            f"{AXIS_WORDS[axis]} {image_name(getattr(one.cell, axis))}" for axis in varying if axis != "data_placement"
        )
        shared.setdefault((one.reason, one.fix, one.source), []).append(named or one.cell.name)
    rows = tuple(
        (plain("; ".join(dict.fromkeys(cells))), *(plain(without_paths(part)) for part in why)) for why, cells in shared.items()
    )
    heads = tuple(Head(text=text, numeric=False) for text in ("cell", "why not", "what would make it work", "says"))
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def findings(run: Run, summary: Summary) -> Table | None:
    """What the checks found, errors first."""
    if not run.findings:
        return None
    where = places(run, summary)
    worst_first = sorted(run.findings, key=lambda finding: ("error", "warning", "info").index(finding.level))
    rows = tuple(
        (
            Entry(text=finding.level, tone=finding.level),
            plain(finding.check),
            plain(whose(finding.cell, where)),
            plain(shortened(finding.text, where) + _of_trials(finding.trials)),
            plain(shortened(finding.fix, where)),
        )
        for finding in worst_first
    )
    heads = tuple(Head(text=text, numeric=False) for text in ("level", "check", "cell", "what was found", "what to do"))
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def whose(cell: str, where: Mapping[str, Place]) -> str:
    """Name the cell that a finding speaks of."""
    if not cell:
        return "the whole run"
    return where[cell].full if cell in where else cell


def _of_trials(trials: Iterable[int]) -> str:
    numbered = [str(trial) for trial in trials]
    if not numbered:
        return ""
    shown = ", ".join(numbered[:_SHOWN_TRIALS]) + (
        f" and {len(numbered) - _SHOWN_TRIALS} more" if len(numbered) > _SHOWN_TRIALS else ""
    )
    return f" (trial{'' if len(numbered) == 1 else 's'} {shown})"


def _server(facts: ServerFacts) -> dict[str, str]:
    return {
        "server": f"{facts.name} {facts.version}".strip(),
        "layout on disk": facts.layout,
        "image": facts.image,
        "image id": facts.image_id,
        "content digest": facts.content_digest,
        "data path": facts.data_path,
        "command": " ".join(facts.command),
    }
