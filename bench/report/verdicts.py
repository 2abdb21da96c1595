"""The verdicts in sentences, for each workload: against the reference, against the control arm, and what was refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bench.report import numbers
from bench.report.labels import places, shortened, workloads
from bench.report.metrics import main_metric, metric
from bench.report.phrases import clean_reason, hardly_matters, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bench.records import Comparison, Run, Summary
    from bench.report.labels import Place

_NAMED = 3
"""So many cells are named one by one; more are told by their number."""


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


def statements(run: Run, summary: Summary) -> tuple[Statement, ...]:
    """Return the verdicts in words.

    Latency is mentioned only where a difference was shown, and what was refused in one sentence per workload; the tables hold
    the rest.
    """
    if not summary.comparisons:
        return (Statement(workload="", where="", text=_nothing_compared(run)),)
    if alike := _refused_alike(summary.comparisons):
        return (Statement(workload="", where="", text=f"no comparison was possible, under any workload: {alike}"),)
    return tuple(statement for workload in workloads(run, summary) for statement in _of_workload(run, summary, workload))


def _of_workload(run: Run, summary: Summary, workload: str) -> Iterator[Statement]:
    where = places(run, summary)
    mine = sorted((one for one in summary.comparisons if one.workload == workload), key=_reading_order(summary, workload, where))
    found: dict[_Key, list[Comparison]] = {}
    for one in mine:
        found.setdefault(_key(one, where), []).append(one)
    made = [_statement(summary, key, group, where) for key, group in found.items()]
    yield from (one for one in [*made, _not_compared(workload, mine, where)] if one is not None)


def _reading_order(summary: Summary, workload: str, where: dict[str, Place]) -> Callable[[Comparison], tuple[bool, bool, int]]:
    """Return the key that sorts the comparisons of a workload: the main metric and the reference first, then as in the tables."""
    main = main_metric(summary, workload).name
    cells = {name: rank for rank, name in enumerate(where)}
    return lambda one: (one.metric != main, one.kind != "reference", cells[one.cell])


def _key(one: Comparison, where: dict[str, Place]) -> _Key:
    rival = where.get(one.against)
    if one.kind == "control_arm":
        return _Key(one.workload, one.metric, one.kind, where[one.cell].group, "the same on a volume")
    return _Key(one.workload, one.metric, one.kind, where[one.cell].group, rival.label if rival else "the reference")


def _statement(summary: Summary, key: _Key, group: Sequence[Comparison], where: dict[str, Place]) -> Statement | None:
    is_main = key.metric == main_metric(summary, key.workload).name
    text = "; ".join(_clauses(group, key.against, where, everything=is_main))
    if not text:
        return None
    arm = f"{key.group or 'writable layer'} against the control arm" if key.kind == "control_arm" else key.group
    return Statement(workload=key.workload, where=", ".join(filter(None, (arm, metric(key.metric).words))), text=text)


def _clauses(group: Sequence[Comparison], against: str, where: dict[str, Place], *, everything: bool) -> Iterator[str]:
    """Yield what was shown, the main verdict first; without `everything` only what is large enough to matter."""
    first = True
    for verdict in ("faster", "slower"):
        shown = [one for one in group if one.verdict == verdict and not hardly_matters(one)]
        if shown:
            yield _shown(shown, where, f"{verdict} than {against}" if first else verdict, of=len(group))
            first = False
    if not everything:
        return
    small = [_with_ratio(one, where) for one in group if hardly_matters(one)]
    unclear = [where[one.cell].label for one in group if one.verdict == "no difference shown"]
    for cells, what in ((small, "no practical difference was shown"), (unclear, "no difference was shown")):
        if cells:
            named = f"any of the {len(group)}" if len(cells) == len(group) > _NAMED else join(cells)
            yield f"{what}{f' against {against}' if first else ''} for {named}"
            first = False


def _not_compared(workload: str, comparisons: Sequence[Comparison], where: dict[str, Place]) -> Statement | None:
    """Tell all that was refused under one workload in one sentence, with the most frequent reason."""
    refused = [one for one in comparisons if one.verdict == "refused"]
    if not refused:
        return None
    whose = ""
    if len(refused) < len(comparisons):
        cells = list(dict.fromkeys(where[one.cell].label for one in refused))
        whose = f" for {len(refused)} of {len(comparisons)}" + (f" ({join(cells)})" if len(cells) <= _NAMED else "")
    alike: dict[str, list[str]] = {}
    for one in refused:
        alike.setdefault(_kind(one.reason, where), []).append(clean_reason(one.reason))
    most = max(alike.values(), key=len)
    often = "" if len(set(most)) == 1 == len(alike) else ", all as here" if len(alike) == 1 else f", {len(most)} times as here"
    text = f"no comparison was possible{whose}{often}: {shortened(most[0], where)}"
    return Statement(workload=workload, where="", text=text)


def _kind(reason: str, where: dict[str, Place]) -> str:
    """Return a reason without what it says of its cell: reasons that then agree are of one kind."""
    for name in where:
        reason = reason.replace(name, "")
    return re.sub(r"\d+", "", reason)


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
