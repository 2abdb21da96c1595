"""Run folder → summary and reports. Needs no cloud, no network and no root, and can be run again at any time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench import checks, report, stats, store
from bench.stats.trial import RECLAIMED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bench.records import Run, Summary, TrialResult

SUMMARY_FILE = "summary.json"


def judge(folder: Path) -> tuple[Run, Summary]:
    """Compute `summary.json` from the samples. Raises InputError for a folder that is missing, torn or of another version."""
    run, results = store.read(folder), store.results(folder)
    parts = store.samples(folder, results)
    if run.state != "complete":
        # A run that was cut short has not looked at its samples yet, and its report must not look better for it.
        run = replace(run, findings=(*run.findings, *store.unfinished(folder), *checks.look_after(run, results, parts)))
    summary = stats.summarise(run, _marked(run, results), folder / "samples")
    stats.write(folder / SUMMARY_FILE, summary)
    return run, summary


def _marked(run: Run, results: Iterable[TrialResult]) -> tuple[TrialResult, ...]:
    """The results, with trials that have samples and were lost with a spot VM marked as that alone: all else in them is of it."""
    lost = {index for finding in run.findings if finding.check == RECLAIMED for index in finding.trials}
    return tuple(
        replace(result, stamps=(RECLAIMED,)) if result.trial.index in lost and not result.problem else result
        for result in results
    )


def write_reports(folder: Path, run: Run, summary: Summary, names: Iterable[str] = report.REPORTS) -> tuple[Path, ...]:
    """Write the reports of these names into the run folder; gives their paths."""
    written = []
    for name in names:
        member = report.load(name)
        path = folder / member.file
        path.write_text(member.render(run, summary), encoding="utf-8")
        written.append(path)
    return tuple(written)
