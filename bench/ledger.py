"""What the lanes of a run share: the run folder, the counts, the view of it. One lane at a time writes or tells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bench import status, store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.records import Finding, Run, TrialResult
    from bench.status import Phase, Status, Tally


class Stopped(BaseException):
    """The run ends; this lane has nothing more to write."""


class Ledger:
    """Made once per run; every method may be called from any lane. All raise Stopped once `stop` was called."""

    def __init__(self, folder: Path, run: Run, tallies: Sequence[Tally], observe: Callable[[Status], None]) -> None:
        self.folder, self.run = folder, run
        self._tallies, self._observe = tuple(tallies), observe
        self._lock = threading.RLock()
        self._stopped = False

    def append(self, result: TrialResult) -> None:
        """A trial's result, on the disk when this returns. Raises DeployError for a full disk."""
        with self._lock:
            self.go_on()
            store.append(self.folder, result)

    def note(self, finding: Finding) -> None:
        """A finding of the run, on the disk when this returns."""
        with self._lock:
            self.go_on()
            store.note(self.folder, finding)

    def tell(self, tally: Tally, phase: Phase) -> None:
        """Shows where the run stands; `tally` is of the lane that tells, and its trial is in this phase."""
        with self._lock:
            self.go_on()
            tally.phase = phase
            self._observe(status.of(self.run, self._tallies, tally))

    def conclude(self) -> None:
        """Shows that nothing is left to measure."""
        if self._tallies:
            self.tell(self._tallies[0], "check")

    def go_on(self) -> None:
        """Raises Stopped when the run is over."""
        if self._stopped:
            raise Stopped

    def stop(self) -> None:
        """Ends every lane at its next step."""
        self._stopped = True
