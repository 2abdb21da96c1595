"""The interface of a workload: which objects stand ready, which ops follow one another, and how one op is done.

Members live in `bench.workloads`, one file each. They decide what is done, never when: the driver of a trial takes the next
op of the plan when it is due, so a closed loop and an open one run the same members.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.client import Client, Outcome
    from bench.content import Content
    from bench.records import Workload


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """An object by key and size."""

    key: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Op:
    """One op as planned. `name` is what its sample says; `start` is where a range begins.

    `expected` are the keys that a listing must give.
    """

    name: str
    key: str
    size_bytes: int
    start: int = 0
    expected: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Session:
    """What one user works with. The buffer is its own, the rest is shared."""

    client: Client
    bucket: str
    content: Content
    buffer: bytearray
    part_size_bytes: int


def _no_problem(_: Workload) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class WorkloadKind:
    """A workload as a value.

    `ready` gives the objects that stand before a trial: prepared once, or topped up before each trial when ops use them up.
    `plan` gives the ops in order from the trial's seed: the same for every target; it ends only where `uses_up` says so.
    `perform` does one op and tells how it ended, sizes checked. `creates` names the ops whose keys are deleted after the trial.
    `problem` says in a sentence why a workload of this kind cannot be run, "" when it can.
    """

    name: str
    ready: Callable[[Workload], Iterator[Item]]
    plan: Callable[[Workload, int], Iterator[Op]]
    perform: Callable[[Session, Op], Outcome]
    creates: tuple[str, ...] = ()
    uses_up: bool = False
    problem: Callable[[Workload], str] = _no_problem


def prefix(workload: Workload) -> str:
    """What all keys of the workload begin with, so that workloads share a bucket and do not meet."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", workload.name) + "/"


def nothing_ready(_: Workload) -> Iterator[Item]:
    """For workloads that need no objects to begin with."""
    return iter(())


def ready_objects(workload: Workload) -> Iterator[Item]:
    """`workload.objects` objects of the workload's size, in the order of their keys."""
    return (ready_object(workload, number) for number in range(workload.objects))


def ready_object(workload: Workload, number: int) -> Item:
    """The object of that number, from 0."""
    return Item(key=f"{prefix(workload)}ready/{number:08d}", size_bytes=workload.object_size_bytes)


def new_key(workload: Workload, seed: int, number: int) -> str:
    """A key that no other trial writes: `number` counts within the trial of that seed."""
    return f"{prefix(workload)}new/{seed & (1 << 64) - 1:016x}/{number:08d}"


def draw(seed: int) -> random.Random:
    """The source of a plan's choices."""
    return random.Random(seed)  # noqa: S311 - choices to be repeated, not secrets


def needs_objects(workload: Workload) -> str:
    """The problem of a reading workload that has nothing to read."""
    if workload.objects < 1:
        return f"workload {workload.name!r} reads objects but has none: set `objects` to 1 or more."
    return ""
