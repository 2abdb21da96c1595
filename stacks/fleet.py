"""A stack with all its parts: they go up and down side by side, and one that fails takes nothing from the others."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bench.errors import CowbenchError, DeployError
from stacks import attempts, lifecycle, ownership, part_process, parts, settle, state, sweep
from stacks.attempts import Told
from stacks.lifecycle import Standing
from stacks.pulumi_process import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bench.records import Cell
    from stacks.deploy import Wanted
    from stacks.lifecycle import Step
    from stacks.parts import Part
    from stacks.terms import Settled, Terms

_ASK_AGAIN_S = 0.2

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Whom to tell what happens, always with the cloud that it happens on: empty for a whole stack and for this machine."""

    step: Callable[[str, Step], None]
    say: Callable[[str, str], None]

    def of(self, cloud: str, stop: threading.Event) -> Told:
        """The same for one cloud."""
        return Told(step=partial(self.step, cloud), say=partial(self.say, cloud), stop=stop)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What stands after `up`, and the parts that do not, each with why."""

    standing: Standing
    failed: tuple[tuple[Part, DeployError], ...]


def preview(
    stack: str, cells: Iterable[Cell], wanted: Wanted, settled: Mapping[str, Settled], observe: Callable[[Step], None]
) -> dict[str, int]:
    """What `up` would do: operation → number of resources, of all parts, which are looked at side by side. Nothing is created."""
    split, stop = parts.split(stack, cells), threading.Event()
    of_part = {part.name: replace(wanted, settled=settled.get(part.name)) for part in split}
    if len(split) == 1:
        return lifecycle.preview(split[0].name, split[0].cells, of_part[split[0].name], observe)
    works = {part.name: partial(part_process.preview, part, of_part[part.name], observe, stop) for part in split}
    found, failed = _side_by_side(works, stop.set)
    if failed:
        raise _together(list(failed.values()))
    return dict(sum((Counter(each) for each in found.values()), Counter[str]()))


def up(stack: str, cells: Iterable[Cell], wanted: Wanted, terms: Terms, observer: Observer) -> Outcome:
    """Make the stack what the cells say; parts that no cell needs any more go.

    The caller holds the stack (`ownership.claim`), and what holds for its parts is settled and kept (`stacks.settle`). A part
    that did not stand before and fails is taken away again at once. Raises DeployError when nothing stands.
    """
    split, stop = parts.split(stack, cells), threading.Event()
    alone = len(split) == 1
    unwanted = set(parts.names(stack)) - {part.name for part in split}
    works: dict[str, Callable[[], Standing | None]] = {
        part.name: partial(_up, part, wanted, terms, observer.of(part.cloud, stop), alone=alone) for part in split
    }
    works |= {name: partial(_gone, name, observer) for name in sorted(unwanted)}
    made, failed = _side_by_side(works, partial(_stop, tuple(works), stop))
    standing = [each for each in made.values() if each is not None]
    if not standing:
        raise _together(list(failed.values()))
    by_name = {part.name: part for part in split}
    if stuck := [error for name, error in failed.items() if name not in by_name]:
        raise _together(stuck)
    return Outcome(standing=_merged(stack, standing), failed=tuple((by_name[name], error) for name, error in failed.items()))


def down(stack: str, observer: Observer) -> None:
    """Take the stack away with all its parts. Fine when nothing of it is left.

    Raises DeployError naming what could not be removed; the other parts are gone then.
    """
    never = threading.Event()
    names = parts.names(stack) or (stack,)
    works = {name: partial(lifecycle.down, name, observer.of(parts.cloud_of(name), never).step) for name in names}
    _, failed = _side_by_side(works, partial(_stop, names, never))
    if failed:
        raise _together(list(failed.values()))
    shutil.rmtree(state.stack_dir(stack), ignore_errors=True)


def standing(stack: str) -> Standing:
    """What `up` left, for a later `run`: of all parts that stand. Raises DeployError when none does."""
    names = [name for name in parts.names(stack) if lifecycle.has_targets(name)]
    return _merged(stack, [lifecycle.standing(name) for name in names or [stack]])


def standing_stacks() -> tuple[str, ...]:
    """Names of the stacks that have targets."""
    return tuple(sorted({parts.stack_of(path.parent.name) for path in (state.root() / "stacks").glob("*/targets.json")}))


def has_state(stack: str) -> bool:
    """Whether Pulumi, or the operator's side, knows the stack or a part of it at all."""
    return bool(parts.names(stack)) or lifecycle.has_state(stack)


def leave_standing(stack: str) -> float:
    """Mark the stack as left on purpose, and give the Unix time until which it may stand: what is rented ends by itself then."""
    ownership.leave_standing(stack, settle.expires_at(stack))
    held = ownership.read(stack)
    assert held is not None
    return held.expires_at


def _up(part: Part, wanted: Wanted, terms: Terms, told: Told, *, alone: bool) -> Standing:
    stood = lifecycle.has_targets(part.name)
    try:
        return attempts.up(part, wanted, terms, told)
    except DeployError as error:
        # A stack that is its only part is its caller's to take away or to keep.
        if not alone and not stood and not told.stop.is_set():
            told.say(f"failed, and is taken away: {error.what.splitlines()[0]}")
            _take_away(part, told, error)
        raise


def _take_away(part: Part, told: Told, error: DeployError) -> None:
    try:
        lifecycle.down(part.name, told.step)
    except DeployError as stuck:
        error.what = f"{error.what}\n  and what was made of it stays: {stuck.what}"
        error.next_step = stuck.next_step


def _gone(name: str, observer: Observer) -> None:
    """A part whose cells the matrix has no more."""
    lifecycle.down(name, partial(observer.step, parts.cloud_of(name)))


def _merged(stack: str, made: Sequence[Standing]) -> Standing:
    """One file of targets for the whole stack, always in the same order; each target names the credential of its part."""
    told = [json.loads(each.targets_json) for each in sorted(made, key=lambda each: each.stack)]
    whole = {
        **told[0],
        "stack": stack,
        "targets": [target for each in told for target in each["targets"]],
        "generators": [generator for each in told for generator in each["generators"]],
    }
    changes: dict[str, int] = {}
    for each in made:
        for operation, count in each.changes.items():
            changes[operation] = changes.get(operation, 0) + count
    return Standing(
        stack=stack,
        targets_json=json.dumps(whole, indent=2, sort_keys=True),
        credentials={name: keys for each in made for name, keys in each.credentials.items()},
        changes=changes,
    )


def _together(errors: Sequence[DeployError]) -> DeployError:
    """One error for several: the first with its next step, the others below it with theirs."""
    first, *others = errors
    if not others:
        return first
    more = "".join(f"\n  {each.where}: {each.what}{each.next_step and f'{chr(10)}    next: {each.next_step}'}" for each in others)
    return DeployError(f"{first.what}{more}", where=first.where, next_step=first.next_step)


def _stop(names: Iterable[str], stop: threading.Event) -> None:
    """Interrupts every Pulumi of these parts once, and waits until they have ended: a second request would make it forget."""
    stop.set()
    threads = [threading.Thread(target=sweep.stop_processes, args=(name,), kwargs={"grace_s": GRACE_S}) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _side_by_side(
    works: Mapping[str, Callable[[], _Result]], stop: Callable[[], None]
) -> tuple[dict[str, _Result], dict[str, DeployError]]:
    """Does all of `works`, one alone in this thread, and gives their results and their DeployErrors by name.

    Any other error is raised when all have ended; so is an interrupt of this thread, after `stop` was called.
    """
    done: dict[str, _Result] = {}
    failed: dict[str, DeployError] = {}
    broken: list[BaseException] = []

    def work(name: str) -> None:
        try:
            done[name] = works[name]()
        except DeployError as error:
            failed[name] = error
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            broken.append(error)

    if len(works) == 1:
        work(next(iter(works)))
    else:
        # Futures are waited for, no threads: Python 3.11 takes one for dead whose `join` was interrupted (CPython issue 90882).
        with ThreadPoolExecutor(len(works), thread_name_prefix="part") as threads:
            try:
                running = [threads.submit(work, name) for name in works]
                # Asked again and again: a signal that another thread gets wakes nobody.
                while wait(running, _ASK_AGAIN_S).not_done:
                    pass
            except BaseException:
                stop()
                raise
    if broken:
        raise next((error for error in broken if not isinstance(error, CowbenchError)), broken[0])
    in_order = [name for name in works if name in done]
    return {name: done[name] for name in in_order}, {name: failed[name] for name in works if name in failed}
