"""The values of one trial, from its ops and its window. Every definition of what is counted stands here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bench.records import Trial, TrialResult

_NS_PER_S = 1e9

RECLAIMED = "spot_reclaimed"
"""Mark of a trial that a spot VM was taken away in: what failed there is nobody's failure."""


@dataclass(frozen=True, kw_only=True)
class Ops:
    """The ops of one trial as columns of equal length: also those of the warm-up, and those drained after the window."""

    due_ns: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    bytes: NDArray[np.int64]
    succeeded: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class TrialValues:
    """What one trial gives. `latencies_ns` are of the successes, ascending; `ops` and `failed_ops` started in the window."""

    bytes_per_s: float
    ops_per_s: float
    ops: int
    failed_ops: int
    latencies_ns: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class MeasuredTrial:
    """A trial with its values. `marks` say why it is unsound; `values` is None where it left no samples.

    `client_cpu_share` is what the generator used of one core, None where that was not seen.
    """

    trial: Trial
    window_s: float
    marks: tuple[str, ...]
    values: TrialValues | None
    client_cpu_share: float | None
    failures: Mapping[str, int] = field(default_factory=dict)


def share_inside(
    start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], window_start_ns: int, window_end_ns: int
) -> NDArray[np.float64]:
    """Return the share of each op's [start, end] that lies inside the window, 0 to 1.

    An op of no length counts whole when it lies in [window start, window end).
    """
    length = end_ns - start_ns
    inside = np.clip(np.minimum(end_ns, window_end_ns) - np.maximum(start_ns, window_start_ns), 0, None)
    instant = (start_ns >= window_start_ns) & (start_ns < window_end_ns)
    return np.where(length > 0, inside / np.maximum(length, 1), instant.astype(np.float64))


def evaluate(ops: Ops, window_start_ns: int, window_end_ns: int) -> TrialValues:
    """Return the values of one trial. The window must have a length.

    Rates: each success counts, with its bytes, by the share of its time inside the window, divided by the window's length.
    Counting only ops that end inside would be wrong by up to one op per user, which is the whole result once an op
    takes as long as the window; by shares the expected rate is right for ops of any length.

    Latency and failures: ops that *started* inside the window, whenever they ended. So an op that hangs and times out
    in the drain is counted, and the choice of ops does not depend on how they fared. Latency is end - due: in an open
    loop the wait for a free user belongs to it (coordinated omission: Gil Tene, "How NOT to Measure Latency", 2015).
    """
    window_s = (window_end_ns - window_start_ns) / _NS_PER_S
    share = share_inside(ops.start_ns, ops.end_ns, window_start_ns, window_end_ns) * ops.succeeded
    started = (ops.start_ns >= window_start_ns) & (ops.start_ns < window_end_ns)
    succeeded = started & ops.succeeded
    return TrialValues(
        bytes_per_s=float(np.sum(share * ops.bytes)) / window_s,
        ops_per_s=float(np.sum(share)) / window_s,
        ops=int(np.count_nonzero(started)),
        failed_ops=int(np.count_nonzero(started & ~ops.succeeded)),
        latencies_ns=np.sort((ops.end_ns - ops.due_ns)[succeeded]),
    )


def marks(result: TrialResult, *, has_samples: bool, intact: bool) -> tuple[str, ...]:
    """Return why a trial is unsound, empty when it is sound: its stamps, and what only the samples show.

    A trial without samples or without a window is a missing value, never a rate of zero. One whose objects did not come
    back as they were stored (not `intact`) is no measurement of storing them.
    """
    found = [*result.stamps]
    if not intact:
        found.append("integrity")
    if result.problem:
        found.append("problem")
    elif not has_samples:
        found.append("no_samples")
    elif result.window_end_ns <= result.window_start_ns:
        found.append("no_window")
    return tuple(dict.fromkeys(found))


def window_s(result: TrialResult) -> float:
    """Return the length of the measured window in seconds, 0 where the trial never reached it."""
    return max(0, result.window_end_ns - result.window_start_ns) / _NS_PER_S
