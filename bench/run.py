"""The campaign: checks before, schedule, every trial once, checks after. A failure on the way is a result, never the end.

Each trial's result is on the disk before the next one begins; so to resume is to call `perform` again on the same folder.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench import checks, schedule, store
from bench.campaign import Campaign
from bench.check import Evidence
from bench.errors import CowbenchError, DeployError, InputError, Interrupted
from bench.provenance import operator, versions
from bench.records import RUN_SCHEMA, Finding, Run
from bench.status import Status, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.campaign import MakeGenerator
    from bench.records import Cell, LeftOut, Load, Reference, Target

__all__ = ["Status", "operator", "perform", "start", "versions"]


def start(
    *,
    stack: str,
    matrix_text: str,
    plan: Sequence[Cell],
    left_out: Sequence[LeftOut],
    targets: Sequence[Target],
    load: Load,
    reference: Reference,
    runs: Path,
    versions: Mapping[str, str],
    operator: Mapping[str, str],
    check_first: bool = True,
) -> Path:
    """Checks the targets, makes the schedule and the run folder below `runs`, and returns the folder.

    A cell with an error finding is not measured; its finding stays in the run. Raises DeployError where no cell is left or the
    disk has no room, InputError for a folder that cannot be written.
    """
    findings = checks.look("before", Evidence(targets=tuple(targets), workloads=load.workloads)) if check_first else ()
    cells = _measurable(targets, findings)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    run = Run(
        schema=RUN_SCHEMA,
        run_id=store.new_run_id(now, stack),
        cowbench_version=versions.get("cowbench", "unknown"),
        created_at=now,
        state="running",
        stack=stack,
        matrix_text=matrix_text,
        plan=tuple(plan),
        left_out=tuple(left_out),
        targets=tuple(targets),
        load=load,
        reference=reference,
        schedule=schedule.trials(cells, [workload.name for workload in load.workloads], load.blocks, load.seed),
        versions=dict(versions),
        operator=dict(operator),
        findings=findings,
    )
    return store.create(runs, run)


def _measurable(targets: Sequence[Target], findings: Sequence[Finding]) -> list[str]:
    refused = {finding.cell: finding for finding in findings if finding.level == "error" and finding.cell}
    cells = [target.cell.name for target in targets if target.cell.name not in refused]
    if not cells and refused:
        cell, first = next(iter(refused.items()))
        raise DeployError(f"none of {len(targets)} cells is what was planned; {first.text}", where=cell, next_step=first.fix)
    return cells


def perform(
    folder: Path,
    credentials: Mapping[str, tuple[str, str]],
    observe: Callable[[Status], None],
    generator: MakeGenerator | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Measures what of the run's schedule is not yet measured, checks, and returns the complete run.

    `credentials` gives access and secret key by the name that a target carries; they are written nowhere. `observe` is called
    at every step. Raises Interrupted on SIGINT and SIGTERM, with every finished trial kept; DeployError when the disk is full.
    """
    with store.claimed(folder), _sigterm_interrupts():
        run = store.read(folder)
        if run.state == "complete":
            return run
        _insist_on_credentials(run, credentials)
        try:
            store.note(folder, *store.discard_partial(folder), state="running")
            tally = Tally(run, {result.trial.index for result in store.results(folder)}, clock)
            campaign = Campaign(folder=folder, run=run, tally=tally, observe=observe)
            campaign.measure_rest(generator or _own_generator(), credentials)
            observe(tally.status("check"))
            return _conclude(folder)
        except BaseException as error:
            # Also after a full disk or a fault of our own: the folder says that it can be resumed, if that can still be written.
            with contextlib.suppress(CowbenchError):
                store.note(folder, state="interrupted")
            if isinstance(error, KeyboardInterrupt):
                raise _interrupted(folder, run) from None
            raise


def _conclude(folder: Path) -> Run:
    """The checks after, and the run's last state."""
    run, results = store.read(folder), store.results(folder)
    lost: list[Finding] = []
    parts: tuple[Path, ...] = ()
    try:
        parts = store.samples(folder, results)
    except InputError as error:
        lost = [Finding(check="store", level="error", cell="", text=f"{error.where}: {error.what}", fix=error.next_step)]
    found = checks.look("after", Evidence(targets=run.targets, workloads=run.load.workloads, results=results, parts=parts))
    return store.note(folder, *lost, *found, state="complete")


def _interrupted(folder: Path, run: Run) -> Interrupted:
    kept = f"interrupted; {len(store.results(folder))} of {len(run.schedule)} trials are measured and kept"
    return Interrupted(
        kept, where=str(folder), next_step=f"while its stack stands, measure the rest with: cowbench run --resume {folder}"
    )


def _insist_on_credentials(run: Run, credentials: Mapping[str, tuple[str, str]]) -> None:
    measured = {trial.cell for trial in run.schedule}
    missing = sorted({target.credential for target in run.targets if target.cell.name in measured} - set(credentials))
    if missing:
        step = "run it where the stack was made, or give the keys by the environment or a file of mode 0600"
        raise InputError(f"no keys for credential {', '.join(missing)}", where=run.run_id, next_step=step)


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """A polite kill ends a run as Ctrl-C does. Python allows signal handlers in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _own_generator() -> MakeGenerator:
    from bench.generator import Generator  # noqa: PLC0415 - a run is planned, resumed and read without a load generator

    return Generator
