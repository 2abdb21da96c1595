"""What a load generator's child answers, as records: how a trial goes, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.records import ClientHealth, TrialResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records import Trial


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A trial so far, from the gate on and with its warm-up: for the live view only. Failed ops count as ops, not as bytes."""

    ops: int
    failed_ops: int
    elapsed_s: float
    ops_per_s: float
    bytes_per_s: float


def result(trial: Trial, plain: Mapping[str, Any], **changes: Any) -> TrialResult:  # noqa: ANN401 - fields of the record
    """A measured trial, from the JSON of the child's last line. `changes` are fields that the child cannot know."""
    health = ClientHealth(**plain["health"]) if plain["health"] else None
    parts, stamps = tuple(plain["parts"]), tuple(plain["stamps"])
    return TrialResult(**{**plain, "trial": trial, "health": health, "parts": parts, "stamps": stamps, **changes})


def without_samples(trial: Trial, started_at: str, problem: str, *, reconnects: int = 0) -> TrialResult:
    """A trial of which nothing is left but the reason. `started_at` is ISO 8601."""
    return TrialResult(
        trial=trial,
        started_at=started_at,
        window_start_ns=0,
        window_end_ns=0,
        samples=0,
        parts=(),
        health=None,
        stamps=(),
        problem=problem,
        reconnects=reconnects,
    )
