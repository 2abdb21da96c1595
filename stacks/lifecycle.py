"""preview, up, down: the life of one Pulumi stack through the Automation API, with every end tidy, also a killed one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from bench.errors import DeployError
from stacks import account_sweep, labels, ownership, parts, program, settle, state, sweep, workspace
from stacks.pulumi_process import GRACE_S
from stacks.watch import Step, Watch, explained, operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pulumi.automation import Stack

    from bench.records import Cell
    from stacks.cloud import Belonging
    from stacks.deploy import Wanted

__all__ = ["Standing", "Step"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A stack that stands: the text of `targets.json`, and the keys, which are never written into it.

    `credentials` has access and secret key by the name that a target carries.
    """

    stack: str
    targets_json: str
    credentials: Mapping[str, tuple[str, str]] = field(repr=False)
    changes: Mapping[str, int]


def preview(stack: str, cells: Iterable[Cell], wanted: Wanted, observe: Callable[[Step], None]) -> dict[str, int]:
    """What `up` would do: operation → number of resources. Nothing is created, and of a new stack nothing is left."""
    every = tuple(cells)
    # What a backend of the user's has is not known here: it is not ours to remove.
    new = workspace.has_own_backend() and not has_state(stack)
    try:
        with explained(stack, Watch(observe)) as watch:
            pulumi_stack = workspace.select(stack, lambda: program.run(every, wanted))
            result = pulumi_stack.preview(on_event=watch.listen, on_output=_log(stack))
    finally:
        # An `up` may have begun meanwhile.
        if new and ownership.read(parts.stack_of(stack)) is None:
            _forget(stack)
    return {operation(kind): count for kind, count in result.change_summary.items()}


def up(
    stack: str, cells: Iterable[Cell], wanted: Wanted, observe: Callable[[Step], None], limit_s: float | None = None
) -> Standing:
    """Make the stack what the cells say. A second call changes nothing; a changed cell replaces only itself.

    The caller holds the stack (`ownership.claim`). Raises `deploy_failures.Failed` with the resource's own words; what was made
    stays until `down`. After `limit_s` Pulumi is interrupted once, and ended when that does not help.
    """
    every = tuple(cells)
    with explained(stack, Watch(observe)) as watch:
        # Of hosts in an account some may have ended by themselves, which Pulumi only sees when it looks.
        look = wanted.settled is not None and (any(_records(stack)) or not workspace.has_own_backend())
        pulumi_stack = workspace.select(stack, lambda: program.run(every, wanted))
        _free_stale_lock(stack, pulumi_stack)
        with watch.within(limit_s, stack):
            result = pulumi_stack.up(on_event=watch.listen, on_output=_log(stack), refresh=look or None)
        if "targets" not in result.outputs:
            # Somebody else interrupted it, and so early that nothing had failed.
            raise watch.cut_short(stack)
    credential = result.outputs["credential"].value
    standing = Standing(
        stack=stack,
        targets_json=json.dumps(result.outputs["targets"].value, indent=2, sort_keys=True),
        credentials={stack: (credential["access_key"], credential["secret_key"])},
        changes={operation(kind): count for kind, count in (result.summary.resource_changes or {}).items()},
    )
    _keep(standing)
    return standing


def down(stack: str, observe: Callable[[Step], None], limit_s: float | None = None) -> None:
    """Take the stack away, whole or in pieces, and everything that carries its name or label. Fine when nothing of it is left.

    Raises DeployError when something could not be removed; what it was, and what to do, is in the message.
    """
    sweep.stop_processes(stack, grace_s=GRACE_S)
    sweep.remove_orphans(dry_run=False)
    problem = None
    if has_state(stack):
        try:
            _destroy(stack, observe, limit_s)
        except DeployError as error:
            problem = error
    sweep.remove_hosts(stack)
    if settle.rented(stack):
        # What a killed create left is in no state: the account itself is asked, and has the last word.
        _clear_account(stack, observe, problem)
    elif problem is not None and not sweep.only_local(stack):
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
        credentials = {stack: (str(keys["access_key"]), str(keys["secret_key"]))}
        text = (directory / "targets.json").read_text()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DeployError(
            f"stack {stack} does not stand", where=f"stack {stack}", next_step=f"cowbench up MATRIX --stack {stack}"
        ) from error
    return Standing(stack=stack, targets_json=text, credentials=credentials, changes={})


def has_targets(stack: str) -> bool:
    """Whether the stack was up, and was not taken away since."""
    return (state.stack_dir(stack) / "targets.json").exists()


def resources(stack: str) -> str:
    """What Pulumi knows to be in accounts, counted by kind (`2 Server, 1 Network`); empty when nothing is, or nobody can tell."""
    path = state.backend() / f".pulumi/stacks/{workspace.PROJECT}/{stack}.json"
    counts: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        for each in json.loads(path.read_text())["checkpoint"]["latest"].get("resources", ()):
            if each.get("custom") and not each["type"].startswith(("pulumi:", "pulumi-python:")):
                kind = each["type"].rpartition(":")[2]
                counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def _keep(made: Standing) -> None:
    directory = state.stack_dir(made.stack)
    (directory / "targets.json").write_text(made.targets_json)
    path = directory / "credential.json"
    path.unlink(missing_ok=True)
    access_key, secret_key = made.credentials[made.stack]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"access_key": access_key, "secret_key": secret_key}, file)


def _destroy(stack: str, observe: Callable[[Step], None], limit_s: float | None) -> None:
    with explained(stack, Watch(observe)) as watch:
        pulumi_stack = workspace.select(stack, lambda: None)
        _free_stale_lock(stack, pulumi_stack)
        with watch.within(limit_s, stack):
            pulumi_stack.destroy(on_event=watch.listen, on_output=_log(stack))


def _clear_account(stack: str, observe: Callable[[Step], None], problem: DeployError | None) -> None:
    """Remove what carries the stack's label. Raises DeployError when something resists, or nobody can tell what is there."""
    run = labels.run(stack)

    def gone(each: Belonging) -> None:
        observe(Step(name=each.name or each.id, kind=each.kind, operation="delete", done=True))

    for cloud, regions in settle.rented(stack).items():
        again = f"cowbench sweep --cloud {cloud} --run {run}"
        try:
            left = account_sweep.of_run(cloud, regions, run)
        except DeployError as error:
            raise _cannot_tell(stack, problem, error, again) from error
        account_sweep.insist_on_all(account_sweep.remove(left, gone), again)


def _cannot_tell(stack: str, problem: DeployError | None, error: DeployError, again: str) -> DeployError:
    what = "Pulumi has removed all that it knew of, but the account could not be asked whether anything else is left"
    if problem is not None:
        there = resources(stack)
        what = f"not taken away: {problem.what}{there and f'{chr(10)}  still there: {there}'}\n  and the account does not tell"
    return DeployError(
        f"{what}: {error.what}",
        where=f"stack {stack}",
        next_step=f"{error.next_step or 'mend that'}; then cowbench down again, or without any state: {again}",
    )


def _forget(stack: str) -> None:
    """Remove state, locks and directory, whatever they say: a killed create leaves an entry that nothing can delete."""
    if not workspace.has_own_backend() and has_state(stack):
        with explained(stack, Watch(lambda _: None)):
            workspace.select(stack, lambda: None).workspace.remove_stack(stack, force=True)
    # Our own backend is a folder. Its files go without the CLI, which refuses a state that a kill has torn, and keeps a backup.
    for path in _records(stack):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    workspace.selection_file(stack).unlink(missing_ok=True)
    others = any(name != stack for name in parts.names(stack))
    for path in state.stack_dir(stack).glob("*"):
        # Who owns a stack holds for all of its parts.
        if path.name != "owner.json" or not others:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        state.stack_dir(stack).rmdir()


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


def _log(stack: str) -> Callable[[str], None]:
    """Everything Pulumi prints goes into a file: the person sees steps and problems."""
    directory = state.stack_dir(stack)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "pulumi.log"

    def write(text: str) -> None:
        with path.open("a") as file:
            file.write(text + "\n")

    return write
