"""What Pulumi says while it works: steps for the person, complaints, what is under way; and an end for what takes too long."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi.automation import CommandError, OpType

from stacks import sweep
from stacks.deploy_failures import Failed, Said
from stacks.pulumi_process import GRACE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pulumi.automation import EngineEvent
    from pulumi.automation.events import DiagnosticEvent, StepEventMetadata

_PROBLEMS_SHOWN = 2
"""Cells that fail, fail alike: the first ones tell it, the log has all."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something Pulumi did or will do to one resource: `kind` is the last part of its type, `done` False when it starts."""

    name: str
    kind: str
    operation: str
    done: bool


class Watch:
    """What Pulumi says while it works: steps for the person, complaints, what is under way, and whether time ran out."""

    def __init__(self, observe: Callable[[Step], None]) -> None:
        self._observe = observe
        self.said: list[Said] = []
        self.in_flight: dict[str, str] = {}
        self.late = False
        self.stopped_in: tuple[str, ...] = ()
        """What was under way when time ran out: the interrupt itself ends it, and makes it a failure like any other."""

    def listen(self, event: EngineEvent) -> None:
        """Takes in one event of the engine."""
        if (begun := event.resource_pre_event) is not None:
            self.in_flight[str(begun.metadata.urn)] = _name(begun.metadata.urn)
            self._tell(begun.metadata, done=False)
        elif (ended := event.res_outputs_event) is not None:
            self.in_flight.pop(str(ended.metadata.urn), None)
            self._tell(ended.metadata, done=True)
        elif (failed := event.res_op_failed_event) is not None:
            self.in_flight.pop(str(failed.metadata.urn), None)
        elif (complaint := event.diagnostic_event) is not None and complaint.severity == "error":
            self._hear(complaint)

    def _hear(self, complaint: DiagnosticEvent) -> None:
        if text := _own_words(complaint.message):
            self.said.append(Said(resource=_name(complaint.urn), text=text))

    def _tell(self, metadata: StepEventMetadata, *, done: bool) -> None:
        kind = str(metadata.type).rsplit(":", 1)[-1]
        if kind not in {"Stack", "pulumi-python"} and metadata.op is not OpType.SAME:
            self._observe(Step(name=_name(metadata.urn), kind=kind, operation=operation(metadata.op), done=done))

    @contextmanager
    def within(self, limit_s: float | None, stack: str) -> Iterator[None]:
        """Interrupts the stack's Pulumi when the time is over: a cloud that never answers would hold it for ever.

        Raises `deploy_failures.Failed` then, also when Pulumi calls it a success: one that is interrupted before its program has
        registered anything has nothing to complain of.
        """
        if limit_s is None:
            yield
            return

        def give_up() -> None:
            self.late, self.stopped_in = True, tuple(filter(None, self.in_flight.values()))
            sweep.stop_processes(stack, grace_s=GRACE_S)

        timer = threading.Timer(limit_s, give_up)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            # When it has begun to end processes it must not meet those of the next command.
            timer.join()
        if self.late:
            raise self.cut_short(stack)

    def cut_short(self, stack: str) -> Failed:
        """The error for a command that was stopped before it was done, without a failure of its own."""
        next_step = "the same command once more: it goes on where anything stands"
        return self.failed(stack, "Pulumi was stopped before it was done", next_step)

    def failed(self, stack: str, what: str, next_step: str) -> Failed:
        """The error for a command of the stack, with all that was complained of; `what` alone where nothing was."""
        return Failed(
            what,
            where=f"stack {stack}",
            next_step=next_step,
            said=tuple(self.said) or (Said(resource="", text=what),),
            in_flight=self.stopped_in,
            late=self.late,
        )


def _name(urn: object) -> str:
    """The name of a resource in the program, from its URN; empty for the stack's own and for none."""
    kind, _, name = str(urn or "").rpartition("::")
    return "" if kind.endswith("pulumi:pulumi:Stack") else name


def operation(kind: object) -> str:
    """`create`, `same`, ...: the SDK gives it as a member of an enumeration or as text."""
    return str(getattr(kind, "value", kind))


@contextmanager
def explained(stack: str, watch: Watch) -> Iterator[Watch]:
    """Turns the CLI's failure into one clear error: the resource's own words first, the CLI's only where there are none."""
    try:
        yield watch
    except CommandError as error:
        words = list(dict.fromkeys(each.text for each in watch.said)) or [str(error)]
        more = f"\n(and {len(words) - _PROBLEMS_SHOWN} more like it)" if len(words) > _PROBLEMS_SHOWN else ""
        # A resource that knows what to do next says so itself, in its last line.
        *before, last = words[:_PROBLEMS_SHOWN]
        what, _, next_step = last.partition("\n  next: ")
        unknown = "these are Pulumi's own words; cowbench doctor shows what this machine can run"
        raise watch.failed(stack, "\n".join([*before, what]) + more, next_step.strip() or unknown) from error


def _own_words(problem: str) -> str:
    """What the resource said. gRPC and the engine wrap it; that a step failed is no news beside why it did."""
    text = problem.strip().removeprefix("Exception calling application: ")
    return "" if text in {"update failed", "preview failed", "destroy failed"} else text
