"""Pieces of sentences that all reports share: counts, lists, reasons, and why a value is missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.records import PRACTICAL, SAMPLES_BEYOND
from bench.report import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import CellSummary, Comparison

VERDICT_WORDS = {
    "faster": "faster",
    "slower": "slower",
    "no difference shown": "no difference shown",
    "refused": "no comparison possible",
}


def counted(count: int, noun: str) -> str:
    """Return a number and its noun, "1 block" or "8 blocks"."""
    return f"{numbers.count(count)} {noun}{'' if count == 1 else 's'}"


def join(parts: Sequence[str]) -> str:
    """Join as in prose: "a, b and c"."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def sentence(text: str) -> str:
    """Return `text` with a capital first letter and a full stop; names within it keep their own letters."""
    return f"{text[:1].upper()}{text[1:]}."


def clean_reason(reason: str) -> str:
    """Return a reason without its full stop, so that it fits inside a sentence."""
    return reason.strip().rstrip(".")


def hardly_matters(comparison: Comparison) -> bool:
    """Return whether a difference was shown, and is smaller than what is of practical use."""
    shown = comparison.verdict in ("faster", "slower") and comparison.ratio is not None and comparison.ratio.center > 0
    return shown and comparison.ratio is not None and abs(math.log(comparison.ratio.center)) < math.log1p(PRACTICAL)


def more_blocks(comparison: Comparison) -> str:
    """Say what would settle an open comparison, or nothing: always a run anew.

    Blocks added to the same run until something shows would show something by chance.
    """
    if comparison.verdict != "no difference shown" or comparison.more_blocks is None:
        return ""
    new_run = counted(comparison.blocks + comparison.more_blocks, "block")
    return f"{counted(comparison.more_blocks, 'more block')} would tell, as a new run of {new_run}"


def too_few(quantile: str) -> str:
    """Say why a latency quantile such as `p99.9` is not given: ten successes must be slower than it."""
    needed = math.ceil(round(SAMPLES_BEYOND / (1 - float(quantile[1:]) / 100), 6))
    return f"too few successes stand behind {quantile}: it takes {numbers.count(needed)} in a cell's sound trials"


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
