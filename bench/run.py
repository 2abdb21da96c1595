"""The campaign: checks before, schedule, every trial once, checks after. A failure on the way is a result, never the end.

Each trial's result is on the disk before the next one begins; so to resume is to call `perform` again on the same folder.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from bench import checks, clocks, lanes, schedule, store
from bench.campaign import Campaign
from bench.check import Evidence, look_again
from bench.errors import CowbenchError, DeployError, InputError, Interrupted
from bench.ledger import Ledger
from bench.provenance import operator, versions
from bench.records import RUN_SCHEMA, Finding, Run
from bench.status import Status, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.campaign import MakeGenerator, Measures
    from bench.check import ServerLog
    from bench.records import Cell, GeneratorHost, HostCost, LeftOut, Load, Reference, Target

__all__ = ["Status", "operator", "perform", "start", "versions"]


def start(
    *,
    stack: str,
    matrix_text: str,
    plan: Sequence[Cell],
    left_out: Sequence[LeftOut],
    targets: Sequence[Target],
    generators: Sequence[GeneratorHost] = (),
    load: Load,
    reference: Reference,
    runs: Path,
    versions: Mapping[str, str],
    operator: Mapping[str, str],
    check_first: bool = True,
    costs: Sequence[HostCost] = (),
    stood_since: str = "",
    not_counted: Sequence[str] = (),
) -> Path:
    """Checks the targets, makes the schedule and the run folder below `runs`, and returns the folder.

    A cell with an error finding is not measured; its finding stays in the run. `generators` are the hosts that the load comes
    from, if any. `costs`, `stood_since` and `not_counted` as in `bench.records.Run`. Raises DeployError where no cell is left or
    the disk has no room, InputError for a folder that cannot be written, and where the stack's generators are not what the load
    asks for.
    """
    _insist_on_generators(load, targets, generators)
    findings = checks.look("before", Evidence(targets=tuple(targets), workloads=load.workloads)) if check_first else ()
    cells = _measurable(targets, findings)
    now = _now()
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
        generators=tuple(generators),
        costs=tuple(costs),
        stood_since=stood_since,
        not_counted=tuple(not_counted),
    )
    return store.create(runs, run)


def _measurable(targets: Sequence[Target], findings: Sequence[Finding]) -> list[str]:
    refused = {finding.cell: finding for finding in findings if finding.level == "error" and finding.cell}
    cells = [target.cell.name for target in targets if target.cell.name not in refused]
    if not cells and refused:
        cell, first = next(iter(refused.items()))
        raise DeployError(f"none of {len(targets)} cells is what was planned; {first.text}", where=cell, next_step=first.fix)
    return cells


def _insist_on_generators(load: Load, targets: Sequence[Target], generators: Sequence[GeneratorHost]) -> None:
    wanted = load.generators.count if load.generators else 0
    for target in targets:
        found = len(lanes.load_hosts(target, generators))
        if found != wanted:
            place = f"cloud {target.cell.cloud}, region {target.cell.region}"
            text = f"the matrix asks for {wanted} load generators of their own, the stack has {found}"
            raise InputError(text, where=place, next_step="make the stack what the matrix says: cowbench up MATRIX --stack STACK")


def perform(
    folder: Path,
    credentials: Mapping[str, tuple[str, str]],
    observe: Callable[[Status], None],
    generator: MakeGenerator | None = None,
    *,
    refresh: Callable[[Target], Target] | None = None,
    refresh_generator: Callable[[GeneratorHost], GeneratorHost] | None = None,
    server_log: ServerLog | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Measures what of the run's schedule is not yet measured, checks, and returns the complete run.

    `credentials` gives access and secret key by the name that a target carries; they are written nowhere. `observe` is called
    at every step, by one thread at a time. `generator` makes what drives the load. After the load `refresh` reads a target's
    host and server again, `refresh_generator` a host that load came from, and `server_log` what a server said meanwhile (as in
    `bench.check.Evidence`). Raises Interrupted on Ctrl-C (and on whatever
    `bench.signals` makes of it) with every finished trial kept; DeployError when the disk is full.
    """
    with store.claimed(folder):
        run = store.read(folder)
        if run.state == "complete":
            return run
        _insist_on_credentials(run, credentials)
        try:
            run = store.note(folder, *store.discard_partial(folder), clocks=clocks.read(run), state="running")
            ledger, campaigns = _lanes(folder, run, observe, clock)
            works = [partial(campaign.measure_rest, generator or _own_generator, credentials) for campaign in campaigns]
            lanes.side_by_side(works, partial(_stop, ledger, campaigns))
            ledger.conclude()
            return _conclude(folder, refresh, refresh_generator, server_log)
        except BaseException as error:
            # Also after a full disk or a fault of our own: the folder says that it can be resumed, if that can still be written.
            with contextlib.suppress(CowbenchError):
                store.note(folder, state="interrupted")
            if isinstance(error, KeyboardInterrupt):
                raise _interrupted(folder, run) from None
            raise


def _lanes(
    folder: Path, run: Run, observe: Callable[[Status], None], clock: Callable[[], float]
) -> tuple[Ledger, list[Campaign]]:
    """A campaign for each machine that something is measured on, and what they share."""
    done = {result.trial.index for result in store.results(folder)}
    split = lanes.split(run.schedule, run.targets, run.generators)
    tallies = [Tally(run, lane.trials, done, clock) for lane in split]
    ledger = Ledger(folder, run, tallies, observe)
    return ledger, [
        Campaign(ledger=ledger, tally=tally, machine=lane.machine) for lane, tally in zip(split, tallies, strict=True)
    ]


def _stop(ledger: Ledger, campaigns: Sequence[Campaign]) -> None:
    ledger.stop()
    for campaign in campaigns:
        campaign.abandon()


def _conclude(
    folder: Path,
    refresh: Callable[[Target], Target] | None,
    refresh_generator: Callable[[GeneratorHost], GeneratorHost] | None,
    server_log: ServerLog | None,
) -> Run:
    """The checks after, and the run's last state."""
    run = store.read(folder)
    run, results = store.note(folder, clocks=clocks.read(run)), store.results(folder)
    again = look_again(run.targets, refresh, run.generators, refresh_generator) if refresh else None
    lost: list[Finding] = []
    parts: tuple[Path, ...] = ()
    try:
        parts = store.samples(folder, results)
    except InputError as error:
        lost = [Finding(check="store", level="error", cell="", text=f"{error.where}: {error.what}", fix=error.next_step)]
    found = checks.look_after(run, results, parts, again, server_log)
    return store.note(folder, *lost, *found, state="complete", ended_at=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


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


def _own_generator(
    *, load: Load, credentials: Mapping[str, tuple[str, str]], samples: Path, log: Path, hosts: tuple[GeneratorHost, ...]
) -> Measures:
    from bench.generator import Generator, RemoteGenerator  # noqa: PLC0415 - a run is planned and read without a load generator

    if hosts:
        return RemoteGenerator(hosts=hosts, load=load, credentials=credentials, samples=samples, log=log)
    return Generator(load=load, credentials=credentials, samples=samples, log=log)
