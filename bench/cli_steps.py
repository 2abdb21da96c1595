"""The steps that verbs of the command line share: from a matrix to a stack, to a run, to its report, to the end."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from bench import display
from bench.errors import CowbenchError, DeployError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from _typeshed import DataclassInstance

    from bench.records import GeneratorHost, Run, Summary, Target
    from bench.targets import Deployment
    from bench.terminal import Screen
    from stacks.deploy import Wanted
    from stacks.lifecycle import Standing
    from stacks.matrix import Matrix
    from stacks.plan import Plan

EXIT_OK, EXIT_GATE, EXIT_UNSOUND = 0, 1, 4
GATES = ("integrity", "failures", "engine_survived", "run")
"""Checks whose error means that the servers failed, whatever their speed was."""


def read_plan(path: Path) -> tuple[Matrix, Plan]:
    """The matrix in the file, and what of it can be built."""
    from stacks import matrix, plan

    wanted = matrix.read(path)
    return wanted, plan.plan(wanted, plan.facts_of)


def insist_on_a_new_stack(name: str, matrix: Path) -> None:
    """What `bench` deploys it takes away again; a stack that was left standing on purpose is not its to take."""
    from stacks import lifecycle, ownership

    held = ownership.read(name)
    if held is not None and held.status == "standing" and name in lifecycle.standing_stacks():
        raise InputError(
            f"stack {name} stands already, and bench would take it away at the end",
            where="--stack",
            next_step=f"cowbench run {matrix} --stack {name} measures it; or choose another name",
        )


def take(screen: Screen, name: str, matrix: Matrix, planned: Plan) -> None:
    """Make the stack ours, before anything that failing would undo: another process's stack is not ours to take away."""
    from stacks import clouds, hosts, image, ownership

    for cloud, requests in hosts.by_cloud(name, planned.cells, matrix.load.generators).items():
        member = clouds.load(cloud)
        if problems := member.problems():
            what, _, step = problems[0].partition(": ")
            raise DeployError(what, where=f"cloud {cloud}", next_step=step or "cowbench doctor")
        if full := member.room(requests):
            what, _, step = full.partition(": ")
            raise DeployError(what, where=f"cloud {cloud}", next_step=step)
        member.prepare(requests, screen.say)
    if matrix.load.generators is not None:
        with screen.timed("the load generator's container image", "the load generator's container image is there"):
            image.ensure("loadgen")
    ownership.claim(name)


def wanted_of(matrix: Matrix) -> Wanted:
    """What the matrix says of a stack beside its cells."""
    from stacks.deploy import Wanted

    return Wanted(images=matrix.server_images, generators=matrix.load.generators)


def bring_up(screen: Screen, name: str, matrix: Matrix, planned: Plan) -> Standing:
    """Deploy the planned cells, each step a line on the screen."""
    from bench.report import phrases
    from stacks import lifecycle

    cells = phrases.counted(len(planned.cells), "cell")
    with screen.timed(f"bringing up {cells}", f"stack {name}: {cells} of {matrix.name} up"):
        return lifecycle.up(name, planned.cells, wanted_of(matrix), display.step_lines(screen))


def start_run(matrix: Matrix, planned: Plan, standing: Standing, runs: Path) -> Path:
    """Check the stack and make the run folder."""
    from bench import run

    deployment = deployment_of(standing)
    return run.start(
        stack=standing.stack,
        matrix_text=matrix.text,
        plan=planned.cells,
        left_out=planned.left_out,
        targets=deployment.targets,
        generators=deployment.generators,
        load=matrix.load,
        reference=matrix.reference,
        runs=runs,
        versions=run.versions(),
        operator=run.operator(),
    )


def deployment_of(standing: Standing) -> Deployment:
    """What stands, with the facts of the targets' hosts as they are now."""
    from bench import targets
    from stacks import readback

    deployed = targets.parse(standing.targets_json)
    return replace(
        deployed,
        targets=tuple(readback.refresh(target) for target in deployed.targets),
        generators=tuple(readback.refresh_generator(host, standing.stack) for host in deployed.generators),
    )


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
    from stacks import lifecycle

    try:
        deployment = targets.parse(lifecycle.standing(stack).targets_json)
    except CowbenchError:
        return (), ()
    return deployment.targets, deployment.generators


@contextmanager
def working_on(stack: str) -> Iterator[None]:
    """Keeps a second run off a stack that is being measured: each would be in the other's numbers."""
    from stacks import ownership

    ownership.claim(stack)
    try:
        yield
    finally:
        ownership.leave_standing(stack)


def measure(screen: Screen, folder: Path, standing: Standing) -> Run:
    """Measure what is left of the run, live on the screen."""
    from bench import run
    from stacks import readback

    keys = {standing.stack: (standing.access_key, standing.secret_key)}
    started = time.monotonic()
    with screen.measuring() as show:
        done = run.perform(
            folder,
            keys,
            show,
            refresh=readback.refresh,
            refresh_generator=lambda host: readback.refresh_generator(host, standing.stack),
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
    """How the command ends: a failed gate before an unsound measurement."""
    if any(finding.level == "error" and finding.check in GATES for finding in done.findings):
        return EXIT_GATE
    return EXIT_OK if summary.sound else EXIT_UNSOUND


def end_stack(screen: Screen, name: str, matrix: Path, *, keep: bool) -> None:
    """Take the stack away, or leave it standing and say how to go on."""
    from stacks import ownership

    if keep:
        ownership.leave_standing(name)
        screen.say(f"left standing; next: cowbench run {matrix} --stack {name}, or cowbench down --stack {name}")
        return
    bring_down(screen, name)


def bring_down(screen: Screen, name: str) -> None:
    """Take the stack away, each step a line on the screen."""
    from stacks import lifecycle

    with screen.timed(f"taking stack {name} away", f"stack {name} down, nothing left"):
        lifecycle.down(name, display.step_lines(screen))


def has_results(folder: Path) -> bool:
    """Whether any trial of the run was measured."""
    from bench import store

    return bool(store.results(folder))


def standing_stack(stack: str) -> Standing:
    """The stack of that name, or the only one that stands. Raises DeployError."""
    from stacks import lifecycle

    return lifecycle.standing(checked_stack_name(stack or only_stack()))


def standing_stack_of(folder: Path) -> Standing:
    """The stack that an interrupted run was measured on."""
    from bench import store
    from stacks import lifecycle

    stack = store.read(folder).stack
    try:
        return lifecycle.standing(stack)
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
    from stacks import lifecycle

    names = lifecycle.standing_stacks()
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
