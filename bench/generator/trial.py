"""One trial: Locust's users leave one gate, follow the plan through warm-up and window, and every op becomes a sample."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from statistics import median_low
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

import gevent
from gevent.event import Event

from bench import ops
from bench.client import Outcome
from bench.errors import classify
from bench.generator.bound import LATE, bounded
from bench.generator.health import HealthWatch, client_bound, held_up, stolen
from bench.records import TrialResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.errors import Failure
    from bench.generator.crowd import Crowd
    from bench.generator.samples import SampleLog
    from bench.records import ClientHealth, Load, Trial, Workload
    from bench.workload import Op, Session, WorkloadKind

log = logging.getLogger(__name__)

_GRACE_S: Final = 5.0
"""How long users may take beyond the longest op before they are ended by force: only a fault of ours gets here."""

_READERS: Final = 4
"""Objects read back at once after the window: enough to keep one core busy."""

_INLINE_BYTES: Final = 1 << 17
"""Content up to this is hashed at once (about 0.1 ms); more goes to a thread, so that the other users are not held up."""


@dataclass(slots=True)
class Tally:
    """Running totals, for the live view and for the stamps.

    `window_ns` are the times of ops that began inside the window, `window_*` else count the ops that were under way in it.
    """

    ops: int = 0
    failed_ops: int = 0
    bytes: int = 0
    window_ops: int = 0
    window_succeeded: int = 0
    window_unreachable: int = 0
    window_ns: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class Pass:
    """A trial as it runs: what its users share."""

    trial: Trial
    workload: Workload
    kind: WorkloadKind
    load: Load
    session: Callable[[], Session]
    samples: SampleLog
    crowd: Crowd
    tally: Tally = field(default_factory=Tally)
    created: list[str] = field(default_factory=list)
    used: list[Op] = field(default_factory=list)
    unverified: list[Op] = field(default_factory=list)
    ran_out: bool = False
    opened_ns: int = 0
    window_start_ns: int = 0
    window_end_ns: int = 0

    def __post_init__(self) -> None:
        self._plan: Iterator[Op] = self.kind.plan(self.workload, self.trial.seed)
        self._chance = random.Random(f"verify/{self.trial.seed}")  # noqa: S311 - a choice to be repeated
        self._gate, self._all_here = Event(), Event()
        self._waiting = 0

    def measure(self) -> TrialResult:
        """Runs the trial up to the last op's end. Its samples are collected, not all of them written yet."""
        self.crowd.start(self.workload.concurrency, self._user)
        self._all_here.wait(_GRACE_S)
        self._open()
        self.crowd.join(self._until(self.window_start_ns))
        watch = HealthWatch()
        self.crowd.join(self._until(self.window_end_ns))
        health = watch.stop()
        if not self.crowd.join(self.load.op_timeout_s + _GRACE_S):
            log.error("trial %d: users did not end and were stopped", self.trial.index)
        self.crowd.stop()
        return TrialResult(
            trial=self.trial,
            started_at=self._started_at,
            window_start_ns=self.window_start_ns,
            window_end_ns=self.window_end_ns,
            samples=self.samples.count,
            parts=(),
            health=health,
            stamps=self._stamps(health, watch.mean_lag_ns()),
            problem="",
        )

    def verify_rest(self) -> None:
        """Reads back what was chosen for verification and could not be checked on the way: ops `verify`, after the window."""
        readers = min(self.workload.concurrency, len(self.unverified), _READERS)
        rest = iter(self.unverified)
        gevent.joinall([gevent.spawn(self._read_back, rest) for _ in range(readers)], raise_error=True)

    def _read_back(self, rest: Iterator[Op]) -> None:
        session = self.session()
        for op in rest:
            start_ns = perf_counter_ns()
            outcome = self._bounded(ops.verify_stored, session, op)
            error = str(outcome.failure or "")
            self.samples.add(op, outcome, name="verify", start_ns=start_ns, end_ns=perf_counter_ns(), error=error)

    def _open(self) -> None:
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.opened_ns = perf_counter_ns()
        self.window_start_ns = self.opened_ns + round(self.workload.warm_up_s * 1e9)
        self.window_end_ns = self.window_start_ns + round(self.workload.duration_s * 1e9)
        self._gate.set()

    def _until(self, moment_ns: int) -> float:
        return max(0.0, (moment_ns - perf_counter_ns()) / 1e9)

    def _user(self) -> None:
        """Closed loop: the next op begins when the last one has ended. None begins after the window."""
        session = self.session()
        self._waiting += 1
        if self._waiting == self.workload.concurrency:
            self._all_here.set()
        self._gate.wait()
        while perf_counter_ns() < self.window_end_ns:
            op = next(self._plan, None)
            if op is None:
                self.ran_out = True
                return
            self._one(session, op, verify=self._chance.random() < self.load.verify_share)

    def _one(self, session: Session, op: Op, *, verify: bool) -> None:
        if op.name in self.kind.creates:
            self.created.append(op.key)
        if self.kind.uses_up:
            self.used.append(op)
        start_ns = perf_counter_ns()
        outcome = self._bounded(self.kind.perform, session, op)
        end_ns = perf_counter_ns()
        failure = outcome.failure
        if verify and failure is None:
            failure = self._verify(session, op)
        self._count(outcome, failure, start_ns, end_ns)
        self.samples.add(op, outcome, name=op.name, start_ns=start_ns, end_ns=end_ns, error=str(failure or ""))
        self.crowd.tell(op.name, self.workload.name, outcome.bytes, end_ns - start_ns, failure)
        if failure:
            # A refused connection fails without waiting for anything: let the others have their turn.
            gevent.sleep(0)

    def _bounded(self, perform: Callable[[Session, Op], Outcome], session: Session, op: Op) -> Outcome:
        """No op lasts longer than the timeout, none ends a user."""
        try:
            return bounded(self.load.op_timeout_s, partial(perform, session, op), partial(Outcome, failure=LATE))
        except Exception as error:
            log.exception("op %s of trial %d", op.name, self.trial.index)
            return Outcome(failure=classify(error))

    def _verify(self, session: Session, op: Op) -> Failure | None:
        fits = op.size_bytes <= len(session.buffer)
        if op.name in ops.READS and fits:
            if op.size_bytes <= _INLINE_BYTES:
                return ops.verify_read(session, op)
            found: Failure | None = gevent.get_hub().threadpool.apply(ops.verify_read, (session, op))
            return found
        if op.name in ops.READS | ops.WRITES:
            self.unverified.append(op)
        return None

    def _count(self, outcome: Outcome, failure: Failure | None, start_ns: int, end_ns: int) -> None:
        tally = self.tally
        tally.ops += 1
        tally.bytes += 0 if failure else outcome.bytes
        tally.failed_ops += 1 if failure else 0
        if start_ns >= self.window_start_ns:
            tally.window_ns.append(end_ns - start_ns)
        if end_ns >= self.window_start_ns:
            tally.window_ops += 1
            tally.window_succeeded += 0 if failure else 1
            tally.window_unreachable += 1 if failure and _unreachable(failure) else 0

    def _stamps(self, health: ClientHealth, mean_lag_ns: int) -> tuple[str, ...]:
        tally = self.tally
        median_ns = median_low(tally.window_ns) if tally.window_ns else 0
        gone = not tally.window_succeeded and tally.window_unreachable == tally.window_ops > 0
        return tuple(
            stamp
            for stamp, applies in (
                ("client_bound", client_bound(health)),
                ("held_up", held_up(health, mean_lag_ns, median_ns)),
                ("stolen", stolen(health)),
                ("ran_out", self.ran_out),
                ("server_gone", gone),
                ("no_ops", not tally.window_ns),
            )
            if applies
        )


def _unreachable(failure: Failure) -> bool:
    return failure.layer == "network" or (failure.layer == "timeout" and failure.kind in {"connect", "total", "read"})
