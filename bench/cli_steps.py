"""The steps that verbs of the command line share: from a matrix to a stack, to a run, to its report, to the end."""

from __future__ import annotations

import json
import math
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from bench import display
from bench.errors import CowbenchError, DeployError, InputError, SilentHostError
from bench.records import Finding, GeneratorHost, LeftOut, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from _typeshed import DataclassInstance

    from bench.records import Cell, Run, Summary
    from bench.targets import Deployment
    from bench.terminal import Screen
    from stacks.deploy import Wanted
    from stacks.fleet import Observer, Outcome
    from stacks.lifecycle import Standing, Step
    from stacks.matrix import Matrix
    from stacks.plan import Plan

_Asked = TypeVar("_Asked", Target, GeneratorHost)

EXIT_OK, EXIT_GATE, EXIT_UNSOUND = 0, 1, 4
GATES = ("integrity", "failures", "engine_survived", "run")
"""Checks whose error means that the servers failed, whatever their speed was."""

_ASKED = "stacks.readback"
_ATTEMPTS = 2
"""To ask a host that gives no answer: each takes up to a minute."""

NOT_DEPLOYED, RECLAIMED = "deploy", "spot_reclaimed"
"""Checks of findings that tell of cells which were planned and do not stand, or did not to the end."""


def read_plan(path: Path) -> tuple[Matrix, Plan]:
    """The matrix in the file, and what of it can be built."""
    from stacks import matrix, plan

    wanted = matrix.read(path)
    return wanted, plan.plan(wanted, plan.facts_of)


def insist_on_a_new_stack(name: str, matrix: Path) -> None:
    """What `bench` deploys it takes away again; a stack that was left standing on purpose is not its to take."""
    from stacks import fleet, ownership

    held = ownership.read(name)
    if held is not None and held.status == "standing" and name in fleet.standing_stacks():
        raise InputError(
            f"stack {name} stands already, and bench would take it away at the end",
            where="--stack",
            next_step=f"cowbench run {matrix} --stack {name} measures it; or choose another name",
        )


def take(screen: Screen, name: str, matrix: Matrix, planned: Plan, price_file: Path | None, *, stays: bool) -> None:
    """Make the stack ours, before anything that failing would undo: another process's stack is not ours to take away.

    What can be known before anything is made or paid for stops all of it here: credentials, room, images, zones, the budget.
    `stays`: the stack is to be left standing, and costs until its hosts end.
    """
    from stacks import clouds, hosts, image, ownership, parts, settle

    for cloud, requests in hosts.by_cloud(name, planned.cells, matrix.load.generators).items():
        insist_on_access(cloud)
        if full := clouds.load(cloud).room(requests):
            what, _, step = full.partition(": ")
            raise DeployError(what, where=f"cloud {cloud}", next_step=step)
    insist_on_terms(matrix, planned, price_file, stays=stays)
    settled = settle.settle(parts.split(name, planned.cells), matrix.load.generators, matrix.terms)
    for cloud, requests in hosts.by_cloud(name, planned.cells, matrix.load.generators).items():
        clouds.load(cloud).prepare(requests, screen.say)
    if matrix.load.generators is not None:
        with screen.timed("the load generator's container image", "the load generator's container image is there"):
            image.ensure("loadgen")
    ownership.claim(name)
    settle.keep(settled)


def insist_on_access(cloud: str) -> None:
    """Raise DeployError where something is missing without which the cloud cannot be used: an SDK, credentials, a tool."""
    from stacks import clouds

    if problems := clouds.load(cloud).problems():
        what, _, step = problems[0].partition(": ")
        raise DeployError(what, where=f"cloud {cloud}", next_step=step or "cowbench doctor")


def insist_on_terms(matrix: Matrix, planned: Plan, price_file: Path | None, *, stays: bool) -> None:
    """Raise InputError for what may cost more than the budget, or would end before its load is over. `stays` as in `take`."""
    from stacks import cost, prices

    cost.insist_on_budget(matrix, planned, prices.read(price_file), stays=stays)
    cost.insist_on_time(matrix, planned.cells, matrix.terms.lifetime_s - cost.DEPLOY_S)


def wanted_of(matrix: Matrix) -> Wanted:
    """What the matrix says of a stack beside its cells."""
    from stacks.deploy import Wanted

    return Wanted(images=matrix.server_images, generators=matrix.load.generators)


def preview(screen: Screen, name: str, matrix: Matrix, planned: Plan) -> dict[str, int]:
    """What `bring_up` would do: operation → number of resources. Nothing is made, and nothing is kept."""
    from stacks import clouds, fleet, parts, settle

    for cloud in dict.fromkeys(cell.cloud for cell in planned.cells):
        if clouds.load(cloud).features.needs_account:
            insist_on_access(cloud)
    settled = settle.settle(parts.split(name, planned.cells), matrix.load.generators, matrix.terms)
    return fleet.preview(name, planned.cells, wanted_of(matrix), settled, lambda step: display.show_step(screen, step))


def bring_up(screen: Screen, name: str, matrix: Matrix, planned: Plan) -> Outcome:
    """Deploy the planned cells, each step a line on the screen. A cloud that fails does not keep the others."""
    from bench.report import phrases
    from stacks import fleet

    started = time.monotonic()
    with screen.working(f"bringing up {phrases.counted(len(planned.cells), 'cell')}") as note:
        outcome = fleet.up(name, planned.cells, wanted_of(matrix), matrix.terms, observer(screen, note))
    cells = phrases.counted(len(planned.cells) - sum(len(part.cells) for part, _ in outcome.failed), "cell")
    screen.step(f"stack {name}: {cells} of {matrix.name} up", time.monotonic() - started)
    for part, error in outcome.failed:
        screen.say(f"error: {error}\n  without: {phrases.counted(len(part.cells), 'cell')} of {part.cloud}", "red")
    return outcome


def observer(screen: Screen, note: Callable[[str], None]) -> Observer:
    """Prints each finished step, with its cloud where several go up side by side; `note` is told what is under way."""
    from stacks.fleet import Observer

    under_way: dict[tuple[str, str, str], str] = {}

    def step(cloud: str, told: Step) -> None:
        display.show_step(screen, told, cloud)
        one = (cloud, told.kind, told.name)
        if told.done:
            under_way.pop(one, None)
        else:
            under_way[one] = f"{told.operation} {told.name}"
        note(display.first_few(tuple(under_way.values())))

    return Observer(step=step, say=lambda cloud, text: screen.say(f"     {cloud and f'{cloud}: '}{text}", "yellow"))


def start_run(matrix: Matrix, planned: Plan, outcome: Outcome, runs: Path, price_file: Path | None) -> Path:
    """Check the stack and make the run folder. Cells that do not stand are left out of the run, with the reason."""
    from bench import run, store
    from stacks import cost, prices, settle

    standing = outcome.standing
    deployment, silent = answering(standing)
    asked = [cell for cell in planned.cells if cell.name not in silent]
    missing = (*_missing(asked, deployment, outcome), *_silent(planned.cells, silent))
    stands = [cell for cell in planned.cells if cell not in {each.cell for each in missing}]
    rented = settle.of_stack(standing.stack)
    cost.insist_on_time(matrix, stands, min((each.expires_at for each in rented), default=math.inf) - time.time())
    folder = run.start(
        stack=standing.stack,
        matrix_text=matrix.text,
        plan=stands,
        left_out=(*planned.left_out, *missing),
        targets=deployment.targets,
        generators=deployment.generators,
        load=matrix.load,
        reference=matrix.reference,
        runs=runs,
        versions=run.versions(),
        operator=run.operator(),
        costs=cost.of_hosts(deployment.targets, deployment.generators, matrix.load.generators, prices.read(price_file)),
        stood_since=min((settle.began_at(settled) for settled in rented), default=""),
        not_counted=_not_counted(missing),
    )
    findings = dict.fromkeys((each.cell.cloud, each.reason, each.fix) for each in missing)
    store.note(folder, *(_not_deployed(*each) for each in findings))
    return folder


def _missing(planned: Sequence[Cell], deployment: Deployment, outcome: Outcome) -> tuple[LeftOut, ...]:
    """The planned cells that have no target, each with what its part said when it failed."""
    said = {cell.name: error for part, error in outcome.failed for cell in part.cells}
    there = {target.cell.name for target in deployment.targets}
    otherwise = DeployError("it does not stand", next_step=f"cowbench up MATRIX --stack {outcome.standing.stack}")
    gone = [(cell, said.get(cell.name, otherwise)) for cell in planned if cell.name not in there]
    return tuple(
        LeftOut(cell=cell, reason=f"not deployed: {' '.join(error.what.split())}", fix=error.next_step, source="stacks.fleet")
        for cell, error in gone
    )


def _not_counted(missing: Iterable[LeftOut]) -> tuple[str, ...]:
    """What is paid for and in no cost of the run: hosts that were taken away when they failed, are gone since, or are silent."""
    from stacks import clouds

    rented = dict.fromkeys(each.cell.cloud for each in missing if clouds.load(each.cell.cloud).features.needs_account)
    return tuple(f"hosts of {cloud} whose cells are missing" for cloud in rented)


def _silent(planned: Sequence[Cell], silent: Mapping[str, DeployError]) -> tuple[LeftOut, ...]:
    """The planned cells that stand and do not answer."""
    return tuple(
        LeftOut(cell=cell, reason=f"{error.where} is silent: {' '.join(error.what.split())}", fix=error.next_step, source=_ASKED)
        for cell in planned
        if (error := silent.get(cell.name))
    )


def _not_deployed(cloud: str, reason: str, fix: str) -> Finding:
    return Finding(check=NOT_DEPLOYED, level="error", cell="", text=f"cells of {cloud} are missing: {reason}", fix=fix)


def deployment_of(standing: Standing) -> Deployment:
    """What stands, with the facts of the targets' hosts as they are now. Raises DeployError where one does not answer."""
    deployment, silent = answering(standing)
    for error in silent.values():
        raise error
    return deployment


def answering(standing: Standing) -> tuple[Deployment, dict[str, DeployError]]:
    """What of a stack answers, with the facts of its hosts as they are now; and by cell why others cannot be measured.

    A cell without its load generators is one of those. Raises DeployError where nothing is left to measure, and where a host
    answers and is not well: that is no VM that may be gone.
    """
    from bench import lanes, targets
    from stacks import parts, readback

    deployed, silent = targets.parse(standing.targets_json), dict[str, DeployError]()
    found = [_refreshed(one.cell.host, one, readback.refresh, silent) for one in deployed.targets]
    drivers = [
        _refreshed(
            one.name, one, lambda host: readback.refresh_generator(host, parts.name_for(standing.stack, host.cloud)), silent
        )
        for one in deployed.generators
    ]
    without: dict[str, DeployError] = {}
    for target in deployed.targets:
        needed = (target.cell.host, *(each.name for each in lanes.load_hosts(target, deployed.generators)))
        without.update((target.cell.name, silent[name]) for name in reversed(needed) if name in silent)
    left = tuple(target for target in found if target and target.cell.name not in without)
    if not left:
        raise next(iter(silent.values()))
    places = {(target.cell.cloud, target.cell.region) for target in left}
    there = tuple(one for one in drivers if one and (one.cloud, one.region) in places)
    return replace(deployed, targets=left, generators=there), without


def _refreshed(host: str, one: _Asked, refresh: Callable[[_Asked], _Asked], silent: dict[str, DeployError]) -> _Asked | None:
    """What was read back; None where the host gives no answer, also when asked once more, which is noted in `silent`."""
    from stacks import reach

    if host in silent:
        return None
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return refresh(one)
        except SilentHostError as error:
            if one.reach == reach.HERE:
                raise
            if attempt == _ATTEMPTS:
                silent[host] = error
    return None


def object_size_bytes(text: str) -> int:
    """Bytes of an option such as `64KiB`. Raises InputError."""
    from bench.durability_load import LARGEST_BYTES
    from stacks import quantity

    step = f"from 1B to {quantity.size_text(LARGEST_BYTES)}, such as 64KiB"
    try:
        size_bytes = quantity.size_bytes(text)
    except ValueError as error:
        raise InputError(f"{text!r}: {error}", where="--size", next_step=step) from None
    if not 0 < size_bytes <= LARGEST_BYTES:
        raise InputError(f"{text} is not a size that is tried here", where="--size", next_step=step)
    return size_bytes


def deployed(stack: str) -> tuple[tuple[Target, ...], tuple[GeneratorHost, ...]]:
    """Targets and load generators of a stack as they were deployed; none where it does not stand."""
    from bench import targets
    from stacks import fleet

    try:
        deployment = targets.parse(fleet.standing(stack).targets_json)
    except CowbenchError:
        return (), ()
    return deployment.targets, deployment.generators


def part_with(stack: str, name: str, targets: Sequence[Target], generators: Sequence[GeneratorHost]) -> str:
    """The part of the stack that a cell or host of that name belongs to; the stack itself when nobody knows it."""
    from stacks import parts, sweep

    for target in targets:
        if name in {target.cell.name, target.cell.host}:
            return target.credential
    for generator in generators:
        if name == generator.name:
            return parts.name_for(stack, generator.cloud)
    traces = ((part, host.host) for part in parts.names(stack) for host in sweep.hosts(part))
    return next((part for part, host in traces if host == name), stack)


@contextmanager
def working_on(stack: str) -> Iterator[None]:
    """Keeps a second run off a stack that is being measured: each would be in the other's numbers."""
    from stacks import fleet, ownership

    ownership.claim(stack)
    try:
        yield
    finally:
        fleet.leave_standing(stack)


def measure(screen: Screen, folder: Path, standing: Standing) -> Run:
    """Measure what is left of the run, live on the screen."""
    from bench import run
    from stacks import logs, parts, readback

    started = time.monotonic()
    with screen.measuring() as show:
        done = run.perform(
            folder,
            standing.credentials,
            show,
            refresh=readback.refresh,
            refresh_generator=lambda host: readback.refresh_generator(host, parts.name_for(standing.stack, host.cloud)),
            server_log=partial(logs.server_lines, credentials=standing.credentials),
        )
    screen.step(f"{len(done.schedule)} trials measured", time.monotonic() - started)
    return done


def write_report(screen: Screen, folder: Path, show: Literal["verdicts", "everything", "summary", "outcome"] = "verdicts") -> int:
    """Judge and write; then the verdicts or the whole Markdown on the screen, or JSON for a program. Gives the exit code."""
    from bench import judge
    from bench.report import outcome, words

    with screen.timed("writing the report", f"report in {folder}"):
        done, summary = judge.judge(folder)
        judge.write_reports(folder, done, summary)
    code = exit_code_of(done, summary)
    if show == "summary":
        print((folder / judge.SUMMARY_FILE).read_text())
    elif show == "outcome":
        print_json(outcome.outcome(done, summary, folder, code))
    elif show == "everything":
        screen.say((folder / "report.md").read_text())
    else:
        for sentence in words.headline(done, summary):
            screen.say(sentence)
        display.show_findings(screen, [finding for finding in done.findings if finding.level != "info"], "")
        screen.say(f"next: open {folder / 'report.html'}")
    return code


def exit_code_of(done: Run, summary: Summary) -> int:
    """How the command ends: a failed gate before an unsound measurement, and that before hosts that could not be had or kept."""
    errors = [finding for finding in done.findings if finding.level == "error"]
    # No server failed where its VM was taken away.
    excused = {finding.cell for finding in errors if finding.check == RECLAIMED}
    wrong = {finding.check for finding in errors if finding.check != "run" or finding.cell not in excused}
    if wrong.intersection(GATES):
        return EXIT_GATE
    if not summary.sound:
        return EXIT_UNSOUND
    return DeployError.exit_code if wrong.intersection({NOT_DEPLOYED, RECLAIMED}) else EXIT_OK


def end_stack(screen: Screen, name: str, matrix: Path, *, keep: bool) -> None:
    """Take the stack away, or leave it standing and say how to go on."""
    from stacks import fleet

    if keep:
        fleet.leave_standing(name)
        screen.say(f"left standing; next: cowbench run {matrix} --stack {name}, or cowbench down --stack {name}")
        return
    bring_down(screen, name)


def bring_down(screen: Screen, name: str) -> None:
    """Take the stack away, each step a line on the screen."""
    from stacks import fleet

    with screen.timed(f"taking stack {name} away", f"stack {name} down, nothing left") as note:
        fleet.down(name, observer(screen, note))


def has_results(folder: Path) -> bool:
    """Whether any trial of the run was measured."""
    from bench import store

    return bool(store.results(folder))


def standing_stack(stack: str) -> Standing:
    """The stack of that name, or the only one that stands. Raises DeployError."""
    from stacks import fleet

    return fleet.standing(checked_stack_name(stack or only_stack()))


def standing_stack_of(folder: Path) -> Standing:
    """The stack that an interrupted run was measured on."""
    from bench import store
    from stacks import fleet

    stack = store.read(folder).stack
    try:
        return fleet.standing(stack)
    except DeployError as error:
        raise InputError(
            f"stack {stack} is gone, and its disks and containers with it: the rest cannot be measured on them",
            where=str(folder),
            next_step=f"start a new run; what was measured is kept: cowbench report {folder}",
        ) from error


def checked_stack_name(name: str) -> str:
    """The name, when a stack may have it. Raises InputError."""
    from stacks import ownership

    return ownership.check_name(name)


def stack_of(stack: str, matrix: Matrix) -> str:
    """The stack that was asked for, else the one that carries the matrix' name, as much of it as a stack may have."""
    from stacks import ownership

    return ownership.check_name(stack or matrix.name[: ownership.STACK_NAME_LIMIT].rstrip("-"))


def only_stack() -> str:
    """The stack that is meant when none is named. Raises InputError when there is not exactly one."""
    from stacks import fleet

    names = fleet.standing_stacks()
    if len(names) == 1:
        return names[0]
    known = f"one of {', '.join(names)}" if names else "none stands: cowbench up MATRIX makes one"
    raise InputError("which stack?", where="--stack", next_step=f"--stack NAME, {known}")


def screen_for(*, quiet: bool = False) -> Screen:
    """What people see; nothing of it when a program reads the output."""
    from bench.terminal import Screen

    return Screen(quiet=quiet)


def plain(records: Iterable[DataclassInstance]) -> list[dict[str, Any]]:
    """Records as JSON has them."""
    return [asdict(record) for record in records]


def print_json(value: object) -> None:
    """JSON on standard output."""
    print(json.dumps(value, indent=2, sort_keys=True))
