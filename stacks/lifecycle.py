"""preview, up, down: one stack's life through Pulumi's Automation API, with every end tidy, also a killed one."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from pulumi.automation import CommandError, EngineEvent, OpType

from bench.errors import DeployError
from stacks import program, state, sweep, workspace
from stacks.pulumi_process import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pulumi.automation import Stack
    from pulumi.automation.events import StepEventMetadata

    from bench.records import Cell
    from stacks.deploy import Wanted

_PROBLEMS_SHOWN = 2
"""Cells that fail, fail alike: the first ones tell it, the log has all."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something Pulumi did or will do to one resource: `kind` is the last part of its type, `done` False when it starts."""

    name: str
    kind: str
    operation: str
    done: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stack that stands: the text of `targets.json`, and the keys, which are never written into it."""

    stack: str
    targets_json: str
    access_key: str
    secret_key: str
    changes: dict[str, int]


def preview(stack: str, cells: Iterable[Cell], wanted: Wanted, observe: Callable[[Step], None]) -> dict[str, int]:
    """What `up` would do: operation → number of resources. Nothing is created."""
    every = tuple(cells)
    with _explained(stack) as problems:
        pulumi_stack = workspace.select(stack, lambda: program.run(every, wanted))
        result = pulumi_stack.preview(on_event=_listener(observe, problems), on_output=_log(stack))
    return {_operation(kind): count for kind, count in result.change_summary.items()}


def up(stack: str, cells: Iterable[Cell], wanted: Wanted, observe: Callable[[Step], None]) -> Standing:
    """Make the stack what the cells say. A second call changes nothing; a changed cell replaces only itself.

    The caller holds the stack (`ownership.claim`). Raises DeployError with the resource's own words; what was made stays until
    `down`.
    """
    every = tuple(cells)
    with _explained(stack) as problems:
        pulumi_stack = workspace.select(stack, lambda: program.run(every, wanted))
        _free_stale_lock(stack, pulumi_stack)
        result = pulumi_stack.up(on_event=_listener(observe, problems), on_output=_log(stack))
    credential = result.outputs["credential"].value
    standing = Standing(
        stack=stack,
        targets_json=json.dumps(result.outputs["targets"].value, indent=2, sort_keys=True),
        access_key=credential["access_key"],
        secret_key=credential["secret_key"],
        changes={_operation(kind): count for kind, count in (result.summary.resource_changes or {}).items()},
    )
    _keep(standing)
    return standing


def down(stack: str, observe: Callable[[Step], None]) -> None:
    """Take the stack away, whole or in pieces, and everything that carries its name. Fine when nothing of it is left.

    Raises DeployError when something could not be removed; what it was, and what to do, is in the message.
    """
    sweep.stop_processes(stack, grace_s=GRACE_S)
    sweep.remove_orphans(dry_run=False)
    problem = None
    if has_state(stack):
        try:
            _destroy(stack, observe)
        except DeployError as error:
            problem = error
    sweep.remove_hosts(stack)
    if problem is not None and not sweep.only_local(stack):
        raise problem
    _forget(stack)


def has_state(stack: str) -> bool:
    """Whether Pulumi, or the operator's side, knows the stack at all."""
    return state.stack_dir(stack).exists() or any(_records(stack))


def standing(stack: str) -> Standing:
    """What `up` left, for a later `run`. Raises DeployError when the stack does not stand."""
    directory = state.stack_dir(stack)
    try:
        keys = json.loads((directory / "credential.json").read_text())
        return Standing(stack=stack, targets_json=(directory / "targets.json").read_text(), changes={}, **keys)
    except (OSError, ValueError, TypeError) as error:
        raise DeployError(
            f"stack {stack} does not stand", where=f"stack {stack}", next_step=f"cowbench up MATRIX --stack {stack}"
        ) from error


def standing_stacks() -> tuple[str, ...]:
    """Names of the stacks that have targets."""
    return tuple(sorted(path.parent.name for path in (state.root() / "stacks").glob("*/targets.json")))


def _keep(made: Standing) -> None:
    directory = state.stack_dir(made.stack)
    (directory / "targets.json").write_text(made.targets_json)
    path = directory / "credential.json"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"access_key": made.access_key, "secret_key": made.secret_key}, file)


def _destroy(stack: str, observe: Callable[[Step], None]) -> None:
    with _explained(stack) as problems:
        pulumi_stack = workspace.select(stack, lambda: None)
        _free_stale_lock(stack, pulumi_stack)
        pulumi_stack.destroy(on_event=_listener(observe, problems), on_output=_log(stack))


def _forget(stack: str) -> None:
    """Remove state, locks and directory, whatever they say: a killed create leaves an entry that nothing can delete."""
    if not workspace.has_own_backend() and has_state(stack):
        with _explained(stack):
            workspace.select(stack, lambda: None).workspace.remove_stack(stack, force=True)
    # Our own backend is a folder. Its files go without the CLI, which refuses a state that a kill has torn, and keeps a backup.
    for path in _records(stack):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    workspace.selection_file(stack).unlink(missing_ok=True)
    shutil.rmtree(state.stack_dir(stack), ignore_errors=True)


def _records(stack: str) -> Iterator[Path]:
    records = state.backend() / ".pulumi"
    yield from (records / f"stacks/{workspace.PROJECT}").glob(f"{stack}.json*")
    for kind in ("locks/organization", "backups", "history"):
        yield from (records / kind / workspace.PROJECT).glob(stack)


def _free_stale_lock(stack: str, pulumi_stack: Stack) -> None:
    """A lock of a process that is gone is removed; one of a live Pulumi is a reason to stop."""
    for path in (state.backend() / f".pulumi/locks/organization/{workspace.PROJECT}/{stack}").glob("*.json"):
        try:
            pid = int(json.loads(path.read_text())["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            pid = 0
        if pid and _is_pulumi(pid):
            raise DeployError(
                f"Pulumi process {pid} works on stack {stack}",
                where=f"stack {stack}",
                next_step="wait for it, or stop it, then try again",
            )
        pulumi_stack.cancel()
        return


def _is_pulumi(pid: int) -> bool:
    """A number alone does not tell: after a restart of the machine it soon belongs to something else."""
    try:
        process = psutil.Process(pid)
        # Dead, but its parent was killed and nobody has asked for its exit code yet.
        return process.name().startswith("pulumi") and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _listener(observe: Callable[[Step], None], problems: list[str]) -> Callable[[EngineEvent], None]:
    def listen(event: EngineEvent) -> None:
        if (begun := event.resource_pre_event) is not None:
            _tell(observe, begun.metadata, done=False)
        elif (ended := event.res_outputs_event) is not None:
            _tell(observe, ended.metadata, done=True)
        elif (said := event.diagnostic_event) is not None and said.severity == "error":
            problems.append(said.message)

    return listen


def _tell(observe: Callable[[Step], None], metadata: StepEventMetadata, *, done: bool) -> None:
    kind = str(metadata.type).rsplit(":", 1)[-1]
    if kind not in {"Stack", "pulumi-python"} and metadata.op is not OpType.SAME:
        observe(Step(name=str(metadata.urn).rsplit("::", 1)[-1], kind=kind, operation=_operation(metadata.op), done=done))


def _operation(kind: object) -> str:
    return str(getattr(kind, "value", kind))


def _log(stack: str) -> Callable[[str], None]:
    """Everything Pulumi prints goes into a file: the person sees steps and problems."""
    directory = state.stack_dir(stack)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "pulumi.log"

    def write(text: str) -> None:
        with path.open("a") as file:
            file.write(text + "\n")

    return write


@contextmanager
def _explained(stack: str) -> Iterator[list[str]]:
    """Turns the CLI's failure into one clear error: the resource's own words first, the CLI's only where there are none."""
    problems: list[str] = []
    try:
        yield problems
    except CommandError as error:
        words = list(dict.fromkeys(own for problem in problems if (own := _own_words(problem)))) or [str(error)]
        more = f"\n(and {len(words) - _PROBLEMS_SHOWN} more like it)" if len(words) > _PROBLEMS_SHOWN else ""
        # A resource that knows what to do next says so itself, in its last line.
        *before, last = words[:_PROBLEMS_SHOWN]
        what, _, next_step = last.partition("\n  next: ")
        raise DeployError(
            "\n".join([*before, what]) + more,
            where=f"stack {stack}",
            next_step=next_step.strip() or "these are Pulumi's own words; cowbench doctor shows what this machine can run",
        ) from error


def _own_words(problem: str) -> str:
    """What the resource said. gRPC and the engine wrap it; that a step failed is no news beside why it did."""
    text = problem.strip().removeprefix("Exception calling application: ")
    return "" if text in {"update failed", "preview failed", "destroy failed"} else text
