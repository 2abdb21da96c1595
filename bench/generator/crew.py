"""What the conductor and the workers of a crew agree on: messages, shares of a trial, one clock, and one result of many. Pure.

    conductor (the session of role `master`)                workers (one per generator host)
       │ ask      do, number, and with a share: place, users, clock → │
       │ ← beat   which request it works on, and how far it is        │ a few times a second
       │ ← ready  its users stand at the gate                         │
       │ gate     when to open it, by the conductor's clock         → │
       │ ← done   its answer                                          │

Locust's runners carry the messages between hosts, and their heartbeats tell which worker is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from bench.records import ClientHealth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CLOCK: Final = "cowbench_clock"
ASK: Final = "cowbench_ask"
BEAT: Final = "cowbench_beat"
READY: Final = "cowbench_ready"
GATE: Final = "cowbench_gate"
DONE: Final = "cowbench_done"

BEAT_S: Final = 0.25

CALLED_OFF: Final = "the trial was called off before it began. See the load generator's log for the cause, then measure again."
"""The problem of a worker whose gate stayed closed: another one has the cause."""

LOST: Final = "worker_lost"
"""The stamp of a trial that not every worker had its share in to the end."""

SHORT: Final = "window_short"
"""The stamp of a trial that the workers did not measure together for (nearly) as long as was asked, as far as one can know."""

_WHOLE: Final = 0.95
"""Of the window that was asked, what the common one must have. Gates open within milliseconds of one another."""

_UNSURE: Final = 0.01
"""Of the window, by how much a worker's clock may be off: ops at the edges are counted in or out by it."""

_UNSURE_FLOOR_NS: Final = 5_000_000
"""Half a round trip between busy hosts: below, a short window is not to blame the clocks."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A worker's share: every `step`-th op of the plan from the op `first` on, done by `users` users.

    So no two workers write the same key or use up the same object, and together they do what one alone would have done.
    """

    first: int
    step: int
    users: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What, added to a worker's time, gives the conductor's; give or take `uncertainty_ns`, half a round trip."""

    shift_ns: int
    uncertainty_ns: int


def places(users: int, workers: int) -> tuple[Place, ...]:
    """The users dealt out as evenly as possible. There are fewer places than workers where there are fewer users."""
    step = min(users, workers)
    return tuple(Place(first=first, step=step, users=users // step + (first < users % step)) for first in range(step))


def reading(exchanges: Iterable[tuple[int, int, int]]) -> Reading:
    """From (asked, the worker's time, answered): that of the shortest round trip, which lets the clock err the least."""
    asked_ns, theirs_ns, answered_ns = min(exchanges, key=lambda each: each[2] - each[0])
    return Reading(shift_ns=(asked_ns + answered_ns) // 2 - theirs_ns, uncertainty_ns=(answered_ns - asked_ns + 1) // 2)


def progress(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How far all are together, as one `Progress`."""
    elapsed_s = max(one["elapsed_s"] for one in each)
    ops = sum(one["ops"] for one in each)
    moved_bytes = sum(one["bytes_per_s"] * one["elapsed_s"] for one in each)
    return {
        "ops": ops,
        "failed_ops": sum(one["failed_ops"] for one in each),
        "elapsed_s": elapsed_s,
        "ops_per_s": ops / elapsed_s,
        "bytes_per_s": moved_bytes / elapsed_s,
    }


def merged(answers: Sequence[Mapping[str, Any]], *, duration_s: float, lost: bool) -> dict[str, Any]:
    """One answer of many to a `measure` of `duration_s`, times by the conductor's clock.

    The window is what all windows have in common: outside of it not every user was at work. Samples and parts are everybody's.
    Each field of health is the worst one's, for the slowest generator sets the pace. A stamp on one share is a stamp on the
    trial; `lost` adds its own, and so does a window that shrank or is not known well. A problem of one is one of the trial.
    """
    if problems := [str(answer["problem"]) for answer in answers if answer["problem"]]:
        return {"problem": next((problem for problem in problems if problem != CALLED_OFF), CALLED_OFF)}
    results = [answer["result"] for answer in answers]
    start_ns, end_ns = max(each["window_start_ns"] for each in results), min(each["window_end_ns"] for each in results)
    if start_ns >= end_ns:
        late = "the load generator's workers did not measure at the same time"
        return {"problem": f"{late}. See their logs for what held one up, then measure again."}
    uncertainty_ns = max(answer["clock_uncertainty_ns"] for answer in answers)
    short = _is_short(end_ns - start_ns, uncertainty_ns, duration_s)
    stamps = dict.fromkeys(stamp for each in results for stamp in each["stamps"])
    return {
        "problem": "",
        "result": {
            **results[0],
            "window_start_ns": start_ns,
            "window_end_ns": end_ns,
            "samples": sum(each["samples"] for each in results),
            "parts": [part for each in results for part in each["parts"]],
            "health": _worst([each["health"] for each in results if each["health"]]),
            "stamps": [*stamps, *([LOST] if lost else []), *([SHORT] if short else [])],
        },
        "parts": [part for answer in answers for part in answer["parts"]],
    }


def _is_short(window_ns: int, uncertainty_ns: int, duration_s: float) -> bool:
    asked_ns = duration_s * 1e9
    return window_ns < _WHOLE * asked_ns or uncertainty_ns > max(_UNSURE * asked_ns, _UNSURE_FLOOR_NS)


def _worst(health: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not health:
        return None
    return {field.name: max(each[field.name] for each in health) for field in fields(ClientHealth)}
