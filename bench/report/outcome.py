"""What a program wants to know of a finished run: its folder, how it ended, every verdict. Plain values, ready for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.report import words

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records import Comparison, Run, Summary


def outcome(run: Run, summary: Summary, folder: Path, exit_code: int) -> dict[str, object]:
    """Return the outcome of the run in `folder`; `exit_code` is what the command is about to return.

    Verdicts are with the cells' full names, as in `summary.json`, which holds everything else. `headline` is the text that people
    get, warnings first.
    """
    return {
        "run_id": run.run_id,
        "folder": str(folder),
        "exit_code": exit_code,
        "state": run.state,
        "sound": summary.sound,
        "emulated": any(target.host.emulated for target in run.targets),
        "headline": list(words.headline(run, summary)),
        "verdicts": [_verdict(one) for one in summary.comparisons],
        "findings": [asdict(finding) for finding in run.findings],
    }


def _verdict(one: Comparison) -> dict[str, object]:
    ratio = one.ratio
    return {
        "kind": one.kind,
        "workload": one.workload,
        "metric": one.metric,
        "cell": one.cell,
        "against": one.against,
        "verdict": one.verdict,
        "ratio": ratio.center if ratio else None,
        "low": ratio.low if ratio else None,
        "high": ratio.high if ratio else None,
        "emulated": one.emulated,
        "reason": one.reason,
    }
