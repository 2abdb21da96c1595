"""The load generator as the rest of the program sees it: a child process that measures one trial at a time.

The child is started once and serves the whole run. Whatever becomes of it, a trial gives a `TrialResult`: without samples
and with the problem in words when the child died or fell silent, and the next trial gets a new child.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from bench.generator import answers
from bench.generator.answers import Progress
from bench.generator.process import Child, ChildLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from bench.records import Load, Target, Trial, TrialResult, Workload


class Generator:
    """Prepares targets and measures trials. A context manager; leave it, or call `close`, to end the child.

    `credentials` maps a target's credential name to (access key, secret key). Parts of samples appear in `samples`, which
    must exist; the child's log goes to `log`. Use it from the thread that made it, which must outlive it: Linux ends a child
    together with the thread that started it. No method raises for what a server does; problems are sentences.
    """

    def __init__(self, *, load: Load, credentials: Mapping[str, tuple[str, str]], samples: Path, log: Path) -> None:
        self._load = load
        self._credentials = dict(credentials)
        self._samples = samples.resolve()
        self._log = log
        self._child: Child | None = None

    def __enter__(self) -> Self:
        # Its imports take about a second: let them pass while the first checks run.
        self._child = self._child or self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def prepare(self, target: Target, workload: Workload) -> str:
        """Makes the bucket and puts the objects that must stand before a trial. "" or the problem; harmless to repeat."""
        return str(self._ask("prepare", target, workload)["problem"])

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        """One trial. Calls back a few times a second; an exception of the callback ends the child and passes through."""
        workload = next(each for each in self._load.workloads if each.name == trial.workload)
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        answer = self._ask("measure", target, workload, trial=asdict(trial), on_progress=on_progress)
        if "result" in answer:
            return answers.result(trial, answer["result"])
        self._remove_parts(trial)
        return answers.without_samples(trial, started_at, str(answer["problem"]))

    def clean_up(self, target: Target, workload: Workload) -> str:
        """Deletes everything that the workload has in the target. "" or the problem; harmless to repeat."""
        return str(self._ask("clean_up", target, workload)["problem"])

    def abandon(self) -> None:
        """Ends what another thread is waiting for: its call returns with a problem."""
        if child := self._child:
            child.abandon()

    def close(self) -> None:
        """Ends the child; does nothing when there is none."""
        if self._child:
            self._child.close()
        self._child = None

    def _ask(
        self,
        do: str,
        target: Target,
        workload: Workload,
        *,
        trial: dict[str, Any] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        if self._child is None:
            self._child = self._start()
        request = {"do": do, "endpoint": target.endpoint, "credential": target.credential, "workload": asdict(workload)}
        try:
            return self._child.ask(
                {**request, "trial": trial}, lambda plain: on_progress(Progress(**plain)) if on_progress else None
            )
        except ChildLost as lost:
            self._end_by_force()
            what = f"the load generator {lost} while it was to {do.replace('_', ' ')}"
            return {"problem": f"{what}. See its log, {self._log}, for the cause; then measure again."}
        except BaseException:
            # It is in the middle of something that nobody waits for any more.
            self._end_by_force()
            raise

    def _start(self) -> Child:
        return Child(self._credentials, self._log, {"load": asdict(self._load), "samples": str(self._samples)})

    def _end_by_force(self) -> None:
        if self._child:
            self._child.kill()
        self._child = None

    def _remove_parts(self, trial: Trial) -> None:
        for part in self._samples.glob(f"part-{trial.index:05d}-*"):
            part.unlink()
