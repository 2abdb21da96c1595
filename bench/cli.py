"""The command line: one verb per stage, and `bench` for all of them. Turns errors into one message and an exit code."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from bench import cli_steps as steps
from bench import cli_sweep, display, signals
from bench.errors import CowbenchError, DeployError, InputError, Interrupted

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
PricesFile = Annotated[
    Path | None, typer.Option("--prices", help="Prices of your own (TOML): each wins over ours.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]

_SILENCE_S = 30.0
"""How long a server that is tried for durability may say nothing: an emulated one is slow, one without power never answers."""


@app.command()
def doctor(
    cloud: Annotated[str, typer.Option("--cloud", help="Try this cloud's account: credentials, region, zones, images.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what this machine can run, and why not the rest; with --cloud whether that account can be used."""
    from stacks import doctor as examination

    abilities = examination.examine_account(cloud) if cloud else examination.examine()
    if as_json:
        steps.print_json([asdict(ability) for ability in abilities])
    else:
        display.show_abilities(steps.screen_for(), abilities)
    if cloud and not all(ability.works for ability in abilities):
        raise typer.Exit(DeployError.exit_code)


@app.command()
def plan(matrix: MatrixFile, stack: StackName = "", prices: PricesFile = None, as_json: AsJson = False) -> None:
    """Show the cells of a matrix with their kernels and what they cost, and those left out with the reason. Makes nothing."""
    from stacks import cost, plan_document
    from stacks import prices as price_tables

    wanted, planned = steps.read_plan(matrix)
    tables = price_tables.read(prices)
    costs = cost.estimate(wanted, planned, tables)
    images = plan_document.images(steps.stack_of(stack, wanted), planned.cells, wanted.load.generators)
    if as_json:
        steps.print_json(plan_document.document(wanted, planned, costs, images))
        return
    screen = steps.screen_for()
    display.show_plan(screen, wanted, planned)
    display.show_images(screen, images)
    over, over_if_left = (cost.over_budget(wanted, planned, tables, stays=stays) for stays in (False, True))
    display.show_cost(screen, wanted, costs, over, over_if_left)
    display.show_warnings(screen, planned)


@app.command()
def preview(matrix: MatrixFile, stack: StackName = "", prices: PricesFile = None) -> None:
    """Show what `up` would create, change or delete; refuses what `up` would refuse for its budget or its time."""
    wanted, planned = steps.read_plan(matrix)
    steps.insist_on_terms(wanted, planned, prices, stays=True)
    changes = steps.preview(steps.screen_for(), steps.stack_of(stack, wanted), wanted, planned)
    steps.screen_for().say("  ".join(f"{operation}: {count}" for operation, count in sorted(changes.items())))


@app.command()
def up(matrix: MatrixFile, stack: StackName = "", prices: PricesFile = None, as_json: AsJson = False) -> None:
    """Deploy the matrix and leave it standing. A second call changes nothing, and makes up for a cloud that failed."""
    from stacks import fleet

    wanted, planned = steps.read_plan(matrix)
    name = steps.stack_of(stack, wanted)
    screen = steps.screen_for(quiet=as_json)
    steps.take(screen, name, wanted, planned, prices, stays=True)
    stood = name in fleet.standing_stacks()
    try:
        with signals.interrupting():
            outcome = steps.bring_up(screen, name, wanted, planned)
    except BaseException:
        # What did not stand before is not left half made; what did is still its owner's.
        with signals.answering(screen):
            steps.end_stack(screen, name, matrix, keep=stood)
        raise
    left_s = fleet.leave_standing(name) - time.time()
    if as_json:
        print(outcome.standing.targets_json)
    for target in json.loads(outcome.standing.targets_json)["targets"]:
        screen.say(f"  {target['cell']['name']:<48} {target['endpoint'] or target['private_endpoint']}")
    screen.say(
        f"standing for {left_s / 3600:.0f} h; next: cowbench run {matrix} --stack {name}, then cowbench down --stack {name}"
    )
    if outcome.failed:
        screen.say(f"not all of it stands; once that is mended: cowbench up {matrix} --stack {name}", "yellow")
        raise typer.Exit(DeployError.exit_code)


@app.command()
def check(stack: StandingStackName = "", as_json: AsJson = False) -> None:
    """Ask every engine again: is what was planned really running?"""
    from bench import checks
    from bench.check import Evidence
    from bench.report import phrases

    deployed = steps.deployment_of(steps.standing_stack(stack)).targets
    found = checks.look("before", Evidence(targets=deployed))
    if as_json:
        steps.print_json(steps.plain(found))
    else:
        display.show_findings(steps.screen_for(), found, f"{phrases.counted(len(deployed), 'cell')} as planned")
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
    *,
    prices: PricesFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure a standing stack, or go on with an interrupted run at its next trial."""
    from bench import resume as continuation
    from stacks.fleet import Outcome

    screen = steps.screen_for(quiet=as_json)
    with signals.interrupting():
        if resume is not None:
            standing = steps.standing_stack_of(resume)
        elif matrix is not None:
            wanted, planned = steps.read_plan(matrix)
            standing = steps.standing_stack(steps.stack_of(stack, wanted))
        else:
            raise InputError("no matrix given", where="run", next_step="cowbench run MATRIX, or cowbench run --resume RUN_FOLDER")
        with steps.working_on(standing.stack):
            if resume is not None:
                deployment, silent = steps.answering(standing)
                continuation.rejoin(resume, deployment.targets, deployment.generators, silent)
            folder = resume or steps.start_run(wanted, planned, Outcome(standing=standing, failed=()), runs, prices)
            steps.measure(screen, folder, standing)
    raise typer.Exit(steps.write_report(screen, folder, "outcome" if as_json else "verdicts"))


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
    raise typer.Exit(steps.write_report(steps.screen_for(quiet=as_json), chosen, "summary" if as_json else "everything"))


@app.command()
def logs(
    cell: Annotated[str, typer.Argument(help="A cell, or a host such as load-qemu-1.", show_default=False)],
    stack: StandingStackName = "",
    part: Annotated[str, typer.Option("--part", help="Only one of: console, setup, engine, server.")] = "",
    lines: Annotated[int, typer.Option("--lines", min=1, help="How many of the last lines of each part.")] = 40,
) -> None:
    """Show what a cell's VM, set-up, engine and server said last."""
    from stacks import logs as logbook

    name = steps.checked_stack_name(stack or steps.only_stack())
    chosen = [each for each in logbook.PARTS if part in {"", each}]
    if not chosen:
        raise InputError(f"there is no part {part!r}", where="--part", next_step=f"name one of {', '.join(logbook.PARTS)}")
    targets, generators = steps.deployed(name)
    part_asked, part = part, steps.part_with(name, cell, targets, generators)
    found = list(logbook.read(logbook.place(part, cell, targets, generators), chosen, lines))
    for each in found:
        print(f"==> {each.part} <==\n{each.text}\n")
    if not found and part_asked and targets:
        # A set-up that went well, and a server without trouble, say nothing.
        steps.screen_for().say(f"{part_asked} said nothing")
    elif not found:
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
    from functools import cache, partial

    from bench import clients, durability_load, durability_words, lanes, turns
    from bench import durability as judging
    from bench.client import Settings
    from stacks import power, servers

    screen, standing, size_bytes = steps.screen_for(quiet=as_json), steps.standing_stack(stack), steps.object_size_bytes(size)
    plug = power.plug(standing.stack, cell, steps.deployed(standing.stack)[0])
    server = servers.load(plug.target.cell.server)
    subject = judging.Subject(
        cell=cell, server=server.name, promised=server.flushes_before_answer, users=users, size_bytes=size_bytes
    )
    settings = Settings(connections=users, silence_s=_SILENCE_S, expect_100_continue=False)
    client = clients.load("boto3")(plug.target.endpoint, *standing.credentials[plug.target.credential], settings)
    wanted = durability_load.Plan(seconds=seconds, flush_first=flush_first)
    # It is asked several times a second, and says so once.
    waits = cache(partial(screen.say, "another run measures on this machine; waiting for its trial to end"))
    with signals.interrupting(), steps.working_on(standing.stack), turns.turn(lanes.OPERATOR, waits):
        result = durability_load.measure(client, subject, wanted, plug, screen.say)
    if as_json:
        steps.print_json(asdict(result))
    else:
        for line in durability_words.lines(result):
            screen.say(line)
    raise typer.Exit(steps.EXIT_OK if judging.acceptable(result) else steps.EXIT_GATE)


@app.command()
def down(stack: StandingStackName = "") -> None:
    """Take a stack away, whole or in pieces. Fine when nothing of it is left, here and in the accounts that can be asked."""
    from stacks import fleet, ownership
    from stacks import sweep as sweeping

    name, screen = steps.checked_stack_name(stack or steps.only_stack()), steps.screen_for()
    if not fleet.has_state(name) and not sweeping.hosts(name):
        cli_sweep.insist_on_no_lost_state(name)
        screen.say(f"there is no stack {name}; see what is left of any with: cowbench sweep --dry-run, or --cloud NAME --dry-run")
        return
    ownership.claim(name)
    with signals.answering(screen):
        steps.bring_down(screen, name)


@app.command()
def sweep(
    cloud: Annotated[str, typer.Option("--cloud", help="In this cloud's account, by our labels; also without any state.")] = "",
    region: Annotated[list[str] | None, typer.Option("--region", help="Only there; may be given again.")] = None,
    run: Annotated[
        str, typer.Option("--run", help="All of this run, as its label names it, whoever's it is; or a stack of this machine.")
    ] = "",
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is in use or was left standing on purpose; in an account all yours.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find what killed runs left on this machine, or in an account, show it, and remove it."""
    screen = steps.screen_for(quiet=as_json)
    if cloud:
        found = cli_sweep.of_account(screen, cloud, region or (), run=run, everything=everything, dry_run=dry_run)
        if as_json:
            steps.print_json(found)
        return
    if region or run:
        raise InputError("this machine has no regions and no labels", where="sweep", next_step="add --cloud NAME")
    traces, stuck = cli_sweep.of_machine(screen, everything=everything, dry_run=dry_run)
    if as_json:
        steps.print_json(traces)
    elif not traces:
        screen.say("nothing to sweep")
    if stuck:
        raise stuck[0]


@app.command()
def bench(
    matrix: MatrixFile,
    stack: NewStackName = "",
    runs: RunsFolder = Path("runs"),
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack standing afterwards.")] = False,
    prices: PricesFile = None,
    as_json: AsJson = False,
) -> None:
    """Do it all: plan, deploy, check, measure, report, and take everything away again."""
    from bench.report import phrases

    screen = steps.screen_for(quiet=as_json)
    wanted, planned = steps.read_plan(matrix)
    display.show_plan(screen, wanted, planned)
    if planned.warnings:
        told = len({warning.text for warning in planned.warnings})
        screen.say(f"{phrases.counted(told, 'warning')} about these cells; see with: cowbench plan {matrix}", "yellow")
    name = steps.checked_stack_name(stack or f"{wanted.name[:15]}-{token_hex(2)}")
    steps.insist_on_a_new_stack(name, matrix)
    steps.take(screen, name, wanted, planned, prices, stays=keep)
    folder = None
    try:
        with signals.interrupting():
            outcome = steps.bring_up(screen, name, wanted, planned)
            folder = steps.start_run(wanted, planned, outcome, runs, prices)
            steps.measure(screen, folder, outcome.standing)
    except Interrupted as stop:
        screen.say("interrupted; what was measured is kept", "yellow")
        if not keep:
            again = f"cowbench bench {matrix}{f' --stack {stack}' if stack else ''}"
            stop.next_step = f"start anew with: {again} (with --keep the stack stays, and the run can be resumed)"
        raise
    finally:
        with signals.answering(screen):
            try:
                steps.end_stack(screen, name, matrix, keep=keep and folder is not None)
            finally:
                code = steps.EXIT_OK
                if folder is not None and steps.has_results(folder):
                    code = steps.write_report(screen, folder, "outcome" if as_json else "verdicts")
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
        os._exit(steps.EXIT_OK)


if __name__ == "__main__":
    main()
