"""Which trials may overlap: those on different machines. Trials that share a machine form a lane, one after another.

Lanes run side by side, each in a thread of its own, since a load generator belongs to the thread that started it. They are waited
for as futures: Python 3.11 takes a thread for dead whose `join` was interrupted (CPython issue 90882).
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from bench.records import GeneratorHost, Target, Trial

OPERATOR = "operator"
"""The machine that Cowbench runs on (`bench.records.Target.machine`)."""

_ASK_AGAIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A machine, and what is measured on it in the order of the schedule."""

    machine: str
    trials: tuple[Trial, ...]


def split(schedule: Iterable[Trial], targets: Sequence[Target], generators: Sequence[GeneratorHost]) -> tuple[Lane, ...]:
    """The schedule by lanes, each in the order of its first trial. Pure."""
    machines = {target.cell.name: _machine(target, generators) for target in targets}
    lanes: dict[str, list[Trial]] = {}
    for trial in schedule:
        lanes.setdefault(machines[trial.cell], []).append(trial)
    return tuple(Lane(machine=machine, trials=tuple(trials)) for machine, trials in lanes.items())


def load_hosts(target: Target, generators: Iterable[GeneratorHost]) -> tuple[GeneratorHost, ...]:
    """The hosts that a target's load comes from; none means the operator's machine."""
    place = (target.cell.cloud, target.cell.region)
    return tuple(each for each in generators if (each.cloud, each.region) == place)


def _machine(target: Target, generators: Sequence[GeneratorHost]) -> str:
    """Load from the operator's machine loads that machine too, wherever the target stands."""
    return target.machine if load_hosts(target, generators) else OPERATOR


def side_by_side(works: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Does all of `works`, one alone in this thread, more each in its own, and returns when all have ended.

    When one raises, or this thread is interrupted, `stop` is called until the others have ended too; the first error is raised.
    """
    if len(works) == 1:
        works[0]()
        return
    errors: list[BaseException] = []
    with ThreadPoolExecutor(len(works), thread_name_prefix="lane") as threads:
        running: list[Future[None]] = []
        try:
            running += (threads.submit(_work, work, errors) for work in works)
            # Asked again and again: a signal that another thread gets wakes nobody.
            while wait(running, _ASK_AGAIN_S, FIRST_EXCEPTION).not_done and not errors:
                pass
        finally:
            _end(running, stop)
    if errors:
        raise errors[0]


def _end(running: Sequence[Future[None]], stop: Callable[[], None]) -> None:
    """Returns when none of them runs any more, also when the user does not want to wait."""
    impatient: KeyboardInterrupt | None = None
    while not all(lane.done() for lane in running):
        try:
            # Again and again: a lane may just have been between two steps and begun one more.
            stop()
            wait(running, _ASK_AGAIN_S)
        except KeyboardInterrupt as again:
            impatient = again
    if impatient:
        raise impatient


def _work(work: Callable[[], None], errors: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:
        # The first one in time is raised in the thread that waits for all lanes.
        errors.append(error)
        raise
