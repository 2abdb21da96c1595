"""The command line: one verb per stage, and `bench` for all of them. Turns errors into one message and an exit code."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bench import display, signals
from bench.errors import CowbenchError, DeployError, InputError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import DataclassInstance

    from bench.records import GeneratorHost, Run, Summary, Target
    from bench.targets import Deployment
    from bench.terminal import Screen
    from stacks.deploy import Wanted
    from stacks.lifecycle import Standing
    from stacks.matrix import Matrix
    from stacks.plan import Plan

app = typer.Typer(
    help="Which storage driver, under which S3 server: how fast, with which failures, and how sure are we?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

MatrixFile = Annotated[Path, typer.Argument(help="The matrix file (YAML).", show_default=False)]
StackName = Annotated[str, typer.Option("--stack", help="Name of the stack; the matrix' name when left out.")]
NewStackName = Annotated[str, typer.Option("--stack", help="Name of the stack; one of its own when left out.")]
StandingStackName = Annotated[str, typer.Option("--stack", help="Name of the stack; may be left out when only one stands.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Where run folders are made.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]

EXIT_OK, EXIT_GATE, EXIT_UNSOUND = 0, 1, 4
GATES = ("integrity", "failures", "engine_survived", "run")
"""Checks whose error means that the servers failed, whatever their speed was."""

_SILENCE_S = 30.0
"""How long a server that is tried for durability may say nothing: an emulated one is slow, one without power never answers."""


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Show what this machine can run, and why not the rest."""
    from stacks import doctor as examination

    abilities = examination.examine()
    if as_json:
        _print_json([asdict(ability) for ability in abilities])
        return
    screen = _screen()
    for ability in abilities:
        screen.say(
            f"{'ok ' if ability.works else 'no '}  {ability.kind:<7}{ability.name:<26}{ability.reason}",
            "" if ability.works else "yellow",
        )
        if ability.fix:
            screen.say(f"{'':38}next: {ability.fix}", "dim")


@app.command()
def plan(matrix: MatrixFile, as_json: AsJson = False) -> None:
    """Show the cells of a matrix, and those left out with the reason. Nothing is created."""
    wanted, planned = _plan(matrix)
    if as_json:
        _print_json(
            {
                "matrix": wanted.name,
                "cells": _plain(planned.cells),
                "left_out": _plain(planned.left_out),
                "warnings": _plain(planned.warnings),
            }
        )
        return
    screen = _screen()
    display.show_plan(screen, wanted, planned)
    display.show_warnings(screen, planned)


@app.command()
def preview(matrix: MatrixFile, stack: StackName = "") -> None:
    """Show what `up` would create, change or delete."""
    from stacks import lifecycle

    wanted, planned = _plan(matrix)
    changes = lifecycle.preview(_stack_of(stack, wanted), planned.cells, _wanted(wanted), display.step_lines(_screen()))
    _screen().say("  ".join(f"{operation}: {count}" for operation, count in sorted(changes.items())))


@app.command()
def up(matrix: MatrixFile, stack: StackName = "", as_json: AsJson = False) -> None:
    """Deploy the matrix and leave it standing. A second call changes nothing."""
    from stacks import lifecycle, ownership

    wanted, planned = _plan(matrix)
    name = _stack_of(stack, wanted)
    screen = _screen(quiet=as_json)
    _take(screen, name, wanted, planned)
    stood = name in lifecycle.standing_stacks()
    try:
        with signals.interrupting():
            standing = _up(screen, name, wanted, planned)
    except BaseException:
        # What did not stand before is not left half made; what did is still its owner's.
        with signals.answering(screen):
            _end(screen, name, matrix, keep=stood)
        raise
    ownership.leave_standing(name)
    if as_json:
        print(standing.targets_json)
        return
    for target in json.loads(standing.targets_json)["targets"]:
        screen.say(f"  {target['cell']['name']:<48} {target['endpoint'] or target['private_endpoint']}")
    screen.say(
        f"standing for {ownership.STANDING_S // 3600} h; "
        f"next: cowbench run {matrix} --stack {name}, then cowbench down --stack {name}"
    )


@app.command()
def check(stack: StandingStackName = "", as_json: AsJson = False) -> None:
    """Ask every engine again: is what was planned really running?"""
    from bench import checks
    from bench.check import Evidence

    deployed = _deployment(_standing(stack)).targets
    found = checks.look("before", Evidence(targets=deployed))
    if as_json:
        _print_json(_plain(found))
    else:
        display.show_findings(_screen(), found, f"{len(deployed)} cells are what was planned")
    if any(finding.level == "error" for finding in found):
        raise typer.Exit(DeployError.exit_code)


@app.command()
def run(
    matrix: Annotated[
        Path | None, typer.Argument(help="The matrix whose load is run; not needed with --resume.", show_default=False)
    ] = None,
    stack: StackName = "",
    runs: RunsFolder = Path("runs"),
    resume: Annotated[Path | None, typer.Option("--resume", help="Go on with this interrupted run folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a standing stack, or go on with an interrupted run at its next trial."""
    from bench import resume as continuation

    screen = _screen(quiet=as_json)
    with signals.interrupting():
        if resume is not None:
            standing = _standing_of(resume)
        elif matrix is not None:
            wanted, planned = _plan(matrix)
            standing = _standing(_stack_of(stack, wanted))
        else:
            raise InputError("no matrix given", where="run", next_step="cowbench run MATRIX, or cowbench run --resume RUN_FOLDER")
        with _working_on(standing.stack):
            if resume is not None:
                deployment = _deployment(standing)
                continuation.rejoin(resume, deployment.targets, deployment.generators)
            folder = resume or _start(wanted, planned, standing, runs)
            _perform(screen, folder, standing)
    raise typer.Exit(_report(screen, folder, "outcome" if as_json else "verdicts"))


@app.command()
def report(
    folder: Annotated[Path | None, typer.Argument(help="A run folder; the newest one when left out.", show_default=False)] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Compute the summary and write the reports again from the samples. Needs no cloud, network or root."""
    from bench import store

    chosen = folder or store.newest(runs)
    if chosen is None:
        raise InputError(f"no run folder in {runs}", where="report", next_step="cowbench bench MATRIX makes one")
    raise typer.Exit(_report(_screen(quiet=as_json), chosen, "summary" if as_json else "everything"))


@app.command()
def logs(
    cell: Annotated[str, typer.Argument(help="A cell, or a host such as load-qemu-1.", show_default=False)],
    stack: StandingStackName = "",
    part: Annotated[str, typer.Option("--part", help="Only one of: console, setup, engine, server.")] = "",
    lines: Annotated[int, typer.Option("--lines", min=1, help="How many of the last lines of each part.")] = 40,
) -> None:
    """Show what a cell's VM, set-up, engine and server said last."""
    from stacks import logs as logbook

    name = _stack_name(stack or _only_stack())
    chosen = [each for each in logbook.PARTS if part in {"", each}]
    if not chosen:
        raise InputError(f"there is no part {part!r}", where="--part", next_step=f"name one of {', '.join(logbook.PARTS)}")
    targets, generators = _deployed(name)
    found = list(logbook.read(logbook.place(name, cell, targets, generators), chosen, lines))
    for each in found:
        print(f"==> {each.part} <==\n{each.text}\n")
    if not found:
        raise DeployError("nothing was said, or nothing of it is left", where=cell, next_step=f"cowbench check --stack {name}")


@app.command()
def durability(
    cell: Annotated[str, typer.Argument(help="A cell whose host is a VM of this machine.", show_default=False)],
    stack: StandingStackName = "",
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long objects are put before the power goes.")] = 10,
    size: Annotated[str, typer.Option("--size", help="Of each object.")] = "64KiB",
    users: Annotated[int, typer.Option("--users", min=1, max=64, help="How many put objects at the same time.")] = 4,
    flush_first: Annotated[
        bool, typer.Option("--flush-first", help="Flush the host right before: what was acknowledged by then must be there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pull the plug of a cell's VM under load: is what the server acknowledged still there?"""
    from bench import clients, durability_load, durability_words
    from bench import durability as judging
    from bench.client import Settings
    from stacks import power, servers

    screen, standing, size_bytes = _screen(quiet=as_json), _standing(stack), _object_size(size)
    plug = power.plug(standing.stack, cell, _deployed(standing.stack)[0])
    server = servers.load(plug.target.cell.server)
    subject = judging.Subject(
        cell=cell, server=server.name, promised=server.flushes_before_answer, users=users, size_bytes=size_bytes
    )
    settings = Settings(connections=users, silence_s=_SILENCE_S, expect_100_continue=False)
    client = clients.load("boto3")(plug.target.endpoint, standing.access_key, standing.secret_key, settings)
    wanted = durability_load.Plan(seconds=seconds, flush_first=flush_first)
    with signals.interrupting(), _working_on(standing.stack):
        result = durability_load.measure(client, subject, wanted, plug, screen.say)
    if as_json:
        _print_json(asdict(result))
    else:
        for line in durability_words.lines(result):
            screen.say(line)
    raise typer.Exit(EXIT_OK if judging.acceptable(result) else EXIT_GATE)


@app.command()
def down(stack: StandingStackName = "") -> None:
    """Take a stack away, whole or in pieces. Fine when nothing of it is left."""
    from stacks import lifecycle, ownership
    from stacks import sweep as sweeping

    name, screen = _stack_name(stack or _only_stack()), _screen()
    if not lifecycle.has_state(name) and not sweeping.hosts(name):
        screen.say(f"there is no stack {name}; see what is left of any with: cowbench sweep --dry-run")
        return
    ownership.claim(name)
    with signals.answering(screen):
        _down(screen, name)


@app.command()
def sweep(
    everything: Annotated[
        bool, typer.Option("--all", help="Also stacks that are in use or were left standing on purpose.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find what killed runs left on this machine, show it, and remove it."""
    from stacks import sweep as sweeping

    screen = _screen(quiet=as_json)
    doomed = sweeping.stacks() if everything else sweeping.abandoned_stacks()
    traces = {name: [host.host for host in sweeping.hosts(name)] for name in doomed}
    stuck: list[DeployError] = []
    for name, hosts in traces.items():
        screen.say(f"{name}: {', '.join(hosts) or 'no host left, only its state'}")
        if not dry_run:
            try:
                _down(screen, name)
            except DeployError as error:
                # One stack that resists must not keep the others.
                stuck.append(error)
    sweeping.remove_orphans(dry_run=dry_run)
    if as_json:
        _print_json(traces)
    elif not doomed:
        screen.say("nothing to sweep")
    if stuck:
        raise stuck[0]


@app.command()
def bench(
    matrix: MatrixFile,
    stack: NewStackName = "",
    runs: RunsFolder = Path("runs"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack standing afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Do it all: plan, deploy, check, measure, report, and take everything away again."""
    from bench.report import phrases

    screen = _screen(quiet=as_json)
    wanted, planned = _plan(matrix)
    display.show_plan(screen, wanted, planned)
    if planned.warnings:
        told = len({warning.text for warning in planned.warnings})
        screen.say(f"{phrases.counted(told, 'warning')} about these cells; see with: cowbench plan {matrix}", "yellow")
    name = _stack_name(stack or f"{wanted.name[:15]}-{token_hex(2)}")
    _insist_on_a_new_stack(name, matrix)
    _take(screen, name, wanted, planned)
    folder = None
    try:
        with signals.interrupting():
            standing = _up(screen, name, wanted, planned)
            folder = _start(wanted, planned, standing, runs)
            _perform(screen, folder, standing)
    except Interrupted as stop:
        screen.say("interrupted; what was measured is kept", "yellow")
        if not keep:
            again = f"cowbench bench {matrix}{f' --stack {stack}' if stack else ''}"
            stop.next_step = f"start anew with: {again} (with --keep the stack stays, and the run can be resumed)"
        raise
    finally:
        with signals.answering(screen):
            try:
                _end(screen, name, matrix, keep=keep and folder is not None)
            finally:
                code = EXIT_OK
                if folder is not None and _has_results(folder):
                    code = _report(screen, folder, "outcome" if as_json else "verdicts")
    raise typer.Exit(code)


@app.command(name="env")
def environment() -> None:
    """Print the variables with which the plain `pulumi` command works here: eval "$(cowbench env)"."""
    import shlex

    from stacks import workspace

    for name, value in workspace.environment().items():
        print(f"export {name}={shlex.quote(value)}")


@app.command()
def version() -> None:
    """Print the version of Cowbench and of what it measures with."""
    from bench.run import versions

    for name, value in versions().items():
        print(f"{name} {value}")


def _plan(path: Path) -> tuple[Matrix, Plan]:
    from stacks import matrix, plan

    wanted = matrix.read(path)
    return wanted, plan.plan(wanted, plan.facts_of)


def _insist_on_a_new_stack(name: str, matrix: Path) -> None:
    """What `bench` deploys it takes away again; a stack that was left standing on purpose is not its to take."""
    from stacks import lifecycle, ownership

    held = ownership.read(name)
    if held is not None and held.status == "standing" and name in lifecycle.standing_stacks():
        raise InputError(
            f"stack {name} stands already, and bench would take it away at the end",
            where="--stack",
            next_step=f"cowbench run {matrix} --stack {name} measures it; or choose another name",
        )


def _take(screen: Screen, name: str, matrix: Matrix, planned: Plan) -> None:
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


def _wanted(matrix: Matrix) -> Wanted:
    from stacks.deploy import Wanted

    return Wanted(images=matrix.server_images, generators=matrix.load.generators)


def _up(screen: Screen, name: str, matrix: Matrix, planned: Plan) -> Standing:
    from bench.report import phrases
    from stacks import lifecycle

    cells = phrases.counted(len(planned.cells), "cell")
    with screen.timed(f"bringing up {cells}", f"stack {name}: {cells} of {matrix.name} up"):
        return lifecycle.up(name, planned.cells, _wanted(matrix), display.step_lines(screen))


def _start(matrix: Matrix, planned: Plan, standing: Standing, runs: Path) -> Path:
    from bench import run

    deployment = _deployment(standing)
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


def _deployment(standing: Standing) -> Deployment:
    """What stands, with the facts of the targets' hosts as they are now."""
    from bench import targets
    from stacks import readback

    deployed = targets.parse(standing.targets_json)
    return replace(deployed, targets=tuple(readback.refresh(target) for target in deployed.targets))


def _object_size(text: str) -> int:
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


def _deployed(stack: str) -> tuple[tuple[Target, ...], tuple[GeneratorHost, ...]]:
    """Targets and load generators of a stack as they were deployed; none where it does not stand."""
    from bench import targets
    from stacks import lifecycle

    try:
        deployment = targets.parse(lifecycle.standing(stack).targets_json)
    except CowbenchError:
        return (), ()
    return deployment.targets, deployment.generators


@contextmanager
def _working_on(stack: str) -> Iterator[None]:
    """Keeps a second run off a stack that is being measured: each would be in the other's numbers."""
    from stacks import ownership

    ownership.claim(stack)
    try:
        yield
    finally:
        ownership.leave_standing(stack)


def _perform(screen: Screen, folder: Path, standing: Standing) -> Run:
    from bench import run
    from stacks import readback

    keys = {standing.stack: (standing.access_key, standing.secret_key)}
    started = time.monotonic()
    with screen.measuring() as show:
        done = run.perform(folder, keys, show, refresh=readback.refresh)
    screen.step(f"{len(done.schedule)} trials measured", time.monotonic() - started)
    return done


def _report(screen: Screen, folder: Path, show: Literal["verdicts", "everything", "summary", "outcome"] = "verdicts") -> int:
    """Judge and write; then the verdicts or the whole Markdown on the screen, or JSON for a program. Gives the exit code."""
    from bench import judge
    from bench.report import outcome, words

    with screen.timed("writing the report", f"report in {folder}"):
        done, summary = judge.judge(folder)
        judge.write_reports(folder, done, summary)
    code = _exit_code(done, summary)
    if show == "summary":
        print((folder / judge.SUMMARY_FILE).read_text())
    elif show == "outcome":
        _print_json(outcome.outcome(done, summary, folder, code))
    elif show == "everything":
        screen.say((folder / "report.md").read_text())
    else:
        for sentence in words.headline(done, summary):
            screen.say(sentence)
        display.show_findings(screen, [finding for finding in done.findings if finding.level != "info"], "")
        screen.say(f"next: open {folder / 'report.html'}")
    return code


def _exit_code(done: Run, summary: Summary) -> int:
    if any(finding.level == "error" and finding.check in GATES for finding in done.findings):
        return EXIT_GATE
    return EXIT_OK if summary.sound else EXIT_UNSOUND


def _end(screen: Screen, name: str, matrix: Path, *, keep: bool) -> None:
    from stacks import ownership

    if keep:
        ownership.leave_standing(name)
        screen.say(f"left standing; next: cowbench run {matrix} --stack {name}, or cowbench down --stack {name}")
        return
    _down(screen, name)


def _down(screen: Screen, name: str) -> None:
    from stacks import lifecycle

    with screen.timed(f"taking stack {name} away", f"stack {name} down, nothing left"):
        lifecycle.down(name, display.step_lines(screen))


def _has_results(folder: Path) -> bool:
    from bench import store

    return bool(store.results(folder))


def _standing(stack: str) -> Standing:
    from stacks import lifecycle

    return lifecycle.standing(_stack_name(stack or _only_stack()))


def _standing_of(folder: Path) -> Standing:
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


def _stack_name(name: str) -> str:
    from stacks import ownership

    return ownership.check_name(name)


def _stack_of(stack: str, matrix: Matrix) -> str:
    """The stack that was asked for, else the one that carries the matrix' name, as much of it as a stack may have."""
    from stacks import ownership

    return ownership.check_name(stack or matrix.name[: ownership.STACK_NAME_LIMIT].rstrip("-"))


def _only_stack() -> str:
    from stacks import lifecycle

    names = lifecycle.standing_stacks()
    if len(names) == 1:
        return names[0]
    known = f"one of {', '.join(names)}" if names else "none stands: cowbench up MATRIX makes one"
    raise InputError("which stack?", where="--stack", next_step=f"--stack NAME, {known}")


def _screen(*, quiet: bool = False) -> Screen:
    from bench.terminal import Screen

    return Screen(quiet=quiet)


def _plain(records: Iterable[DataclassInstance]) -> list[dict[str, Any]]:
    return [asdict(record) for record in records]


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, sort_keys=True))


def main() -> None:
    """The entry point: one error, one exit code."""
    try:
        app(standalone_mode=True)
    except CowbenchError as error:
        with suppress(OSError):  # a closed terminal
            print(f"error: {error}", file=sys.stderr, flush=True)
        # Threads of gRPC must not hold the process: everything that matters is on the disk.
        os._exit(error.exit_code)
    except BrokenPipeError:
        os._exit(EXIT_OK)


if __name__ == "__main__":
    main()
