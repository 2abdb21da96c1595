"""What a run found, in sentences: the verdicts, the warnings above them, and why a value is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bench.report import numbers
from bench.report.labels import places, row_axes, shortened, varying_axes
from bench.report.metrics import main_metric, metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.records import CellSummary, Comparison, Run, Summary
    from bench.report.labels import Place

VERDICT_WORDS = {
    "faster": "faster",
    "slower": "slower",
    "no difference shown": "no difference shown",
    "refused": "no comparison possible",
}
_NAMED = 3
PLURALS = {"data_placement": "data placements", "server": "servers", "machine_image": "machine images", "cloud": "clouds"}


class _Key(NamedTuple):
    """What one sentence speaks of."""

    workload: str
    metric: str
    kind: str
    group: str
    against: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A verdict in words. `text` holds under `workload` and `where` (group of cells, metric), for all where both are empty."""

    workload: str
    where: str
    text: str


def headline(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return what the run found, one sentence each, the warnings first: the last lines of a terminal, the first of a report."""
    found = [
        f"Under {', '.join(filter(None, (one.workload, one.where)))}: {one.text}."
        if one.workload
        else f"{one.text.capitalize()}."
        for one in statements(run, summary)
    ]
    return (*alarms(run, summary), *found)


def title(run: Run) -> str:
    """Say in one line what was compared with what."""
    rows, varying = row_axes(run), varying_axes(run.plan)
    configurations = len({tuple(getattr(cell, axis) for axis in rows) for cell in run.plan})
    kind = "storage driver configuration" if "driver" in rows else "cell"
    counts = [counted(configurations, kind)]
    counts += [
        f"{len({getattr(cell, axis) for cell in run.plan})} {PLURALS.get(axis, axis.replace('_', ' ') + ' values')}"
        for axis in varying
        if axis not in rows
    ]
    return " \u00d7 ".join([*counts, counted(len(run.load.workloads), "workload")])


def workloads(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return the names of all workloads, planned or only summarised, in the order of the matrix."""
    return tuple(dict.fromkeys([*(workload.name for workload in run.load.workloads), *(cell.workload for cell in summary.cells)]))


def alarms(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return what a reader must know before any number, each with what to do next. Empty when all is well."""
    where = places(run, summary)
    said = []
    if run.state != "complete":
        done = sum(cell.trials for cell in summary.cells)
        said.append(
            f"The run is {'still running' if run.state == 'running' else 'interrupted'}: {done} of {len(run.schedule)} planned "
            "trials are summarised here. `cowbench run` goes on with the next one."
        )
    if not summary.sound:
        said.append("Measured, but not sound: no verdict. The findings say what to change; then run again.")
    emulated = {target.cell.host for target in run.targets if target.host.emulated}
    if emulated:
        said.append(
            f"{counted(len(emulated), 'host')} ran without hardware virtualisation (emulated): numbers show that it works, "
            "not how fast. Use a host with KVM or a cloud for speed."
        )
    errors = [finding for finding in run.findings if finding.level == "error"]
    if errors:
        named = dict.fromkeys(
            f"{e.check} ({where[e.cell].full if e.cell in where else e.cell})" if e.cell else e.check for e in errors
        )
        said.append(f"{counted(len(errors), 'error')} found by checks: {join(list(named))}. See the findings for the cure.")
    return tuple(said)


def statements(run: Run, summary: Summary) -> tuple[Statement, ...]:
    """Return the verdicts in words: per workload and group against the reference, then against the control arm.

    Latency is mentioned only where a difference was shown; the tables hold the rest.
    """
    if not summary.comparisons:
        return (Statement(workload="", where="", text=_nothing_compared(run)),)
    if alike := _refused_alike(summary.comparisons):
        return (Statement(workload="", where="", text=f"no comparison was possible, under any workload: {alike}"),)
    where = places(run, summary)
    found: dict[_Key, list[Comparison]] = {}
    for one in sorted(summary.comparisons, key=_reading_order(run, summary)):
        found.setdefault(_key(one, where), []).append(one)
    made = (_statement(summary, key, group, where) for key, group in found.items())
    return tuple(statement for statement in made if statement is not None)


def clean_reason(reason: str) -> str:
    """Return a reason without its full stop, so that it fits inside a sentence."""
    return reason.strip().rstrip(".")


def more_blocks(comparison: Comparison) -> str:
    """Say what would settle an open comparison, or nothing."""
    if comparison.verdict != "no difference shown" or comparison.more_blocks is None:
        return ""
    return f"{counted(comparison.more_blocks, 'more block')} would tell"


def missing_trials(cell: CellSummary | None) -> str:
    """Say why a cell has no estimate."""
    if cell is None or cell.trials == 0:
        return "no trial was measured"
    if cell.unsound_trials >= cell.trials:
        stamps = join([f"{stamp} \u00d7{times}" for stamp, times in sorted(cell.stamps.items())])
        return f"no sound trial: {cell.unsound_trials} of {cell.trials} unsound" + (f" ({stamps})" if stamps else "")
    if cell.ops == cell.failed_ops:
        return "no op succeeded"
    return "not enough samples"


def join(parts: Sequence[str]) -> str:
    """Join as in prose: "a, b and c"."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def _reading_order(run: Run, summary: Summary) -> Callable[[Comparison], tuple[int, bool, bool, int]]:
    """Return the key that sorts comparisons by workload, the main metric and the reference first, then as in the tables."""
    names = {name: rank for rank, name in enumerate(workloads(run, summary))}
    cells = {name: rank for rank, name in enumerate(places(run, summary))}
    mains = {name: main_metric(summary, name).name for name in names}

    def key(one: Comparison) -> tuple[int, bool, bool, int]:
        rank = names.get(one.workload, len(names))
        return rank, one.metric != mains.get(one.workload), one.kind != "reference", cells[one.cell]

    return key


def _key(one: Comparison, where: dict[str, Place]) -> _Key:
    rival = where.get(one.against)
    if one.kind == "control_arm":
        return _Key(one.workload, one.metric, one.kind, where[one.cell].group, "their own volume")
    return _Key(one.workload, one.metric, one.kind, where[one.cell].group, rival.label if rival else "the reference")


def _statement(summary: Summary, key: _Key, group: Sequence[Comparison], where: dict[str, Place]) -> Statement | None:
    text = _clauses(group, key.against, where, only_shown=key.metric != main_metric(summary, key.workload).name)
    if not text:
        return None
    arm = f"{key.group or 'writable layer'} against the control arm" if key.kind == "control_arm" else key.group
    return Statement(workload=key.workload, where=", ".join(filter(None, (arm, metric(key.metric).words))), text=text)


def _clauses(group: Sequence[Comparison], against: str, where: dict[str, Place], *, only_shown: bool) -> str:
    parts: list[str] = []
    for verdict in ("faster", "slower"):
        shown = [one for one in group if one.verdict == verdict]
        if shown:
            than = "" if parts else f" than {against}"
            parts.append(_shown(shown, where, f"{verdict}{than}", of=len(group)))
    if only_shown:
        return "; ".join(parts)
    unclear = [where[one.cell].label for one in group if one.verdict == "no difference shown"]
    if unclear:
        beside = "" if parts else f" against {against}"
        named = f"any of the {len(group)}" if len(unclear) == len(group) > 1 else join(unclear)
        parts.append(f"no difference was shown{beside} for {named}")
    for reason in dict.fromkeys(one.reason for one in group if one.verdict == "refused"):
        refused = [where[one.cell].label for one in group if one.verdict == "refused" and one.reason == reason]
        parts.append(f"no comparison was possible for {join(refused)}: {shortened(clean_reason(reason), where)}")
    return "; ".join(parts)


def _shown(shown: Sequence[Comparison], where: dict[str, Place], verdict: str, *, of: int) -> str:
    """Name each cell with its ratio and interval; more than three are told by their number and range."""
    if len(shown) <= _NAMED:
        return f"{join([_with_ratio(one, where) for one in shown])} {'is' if len(shown) == 1 else 'are'} {verdict}"
    ordered = sorted((one for one in shown if one.ratio), key=lambda one: one.ratio.center if one.ratio else 0.0)
    number = f"all {of}" if len(shown) == of else f"{len(shown)} of {of}"
    return f"{number} are {verdict}, from {_with_ratio(ordered[0], where)} to {_with_ratio(ordered[-1], where)}"


def _with_ratio(one: Comparison, where: dict[str, Place]) -> str:
    label = where[one.cell].label
    if one.ratio is None:
        return label
    center, interval = numbers.ratio(one.ratio)
    return f"{label} {center} ({interval})" if interval else f"{label} {center}"


def _refused_alike(comparisons: Iterable[Comparison]) -> str:
    """Return the one reason for which everything was refused, or nothing."""
    reasons = {one.reason if one.verdict == "refused" else "" for one in comparisons}
    return clean_reason(reasons.pop()) if len(reasons) == 1 else ""


def _nothing_compared(run: Run) -> str:
    if len(run.plan) <= 1:
        return "nothing to compare with one cell; add a second value to an axis of the matrix"
    if not run.reference.axes:
        return "nothing was compared; name a reference in the matrix"
    return "nothing was compared; no two cells were both measured"


def counted(count: int, noun: str) -> str:
    """Return a number and its noun, "1 block" or "8 blocks"."""
    return f"{numbers.count(count)} {noun}{'' if count == 1 else 's'}"
