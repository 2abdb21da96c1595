"""A preview of one part of a stack in a process of its own: Python runs the programs of one process by turns, on one core.

For previews only. They make nothing, so one that dies leaves nothing in an account; and an `up` waits for clouds, not for Python.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from typing import TYPE_CHECKING, Any

from bench.errors import CowbenchError, DeployError
from stacks import lifecycle

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from stacks.deploy import Wanted
    from stacks.lifecycle import Step
    from stacks.parts import Part

_SPAWN = multiprocessing.get_context("spawn")
"""Not forked: the caller has threads, and gRPC does not outlive a fork."""

_ASK_AGAIN_S = 0.2

_STEP, _RESULT, _FAILED = "step", "result", "failed"


def preview(part: Part, wanted: Wanted, observe: Callable[[Step], None], stop: threading.Event) -> dict[str, int]:
    """What `lifecycle.preview` gives and raises; a CowbenchError of the process arrives as a DeployError with the same words.

    Ends when the process has, and its Pulumi with it: soon after `stop` is set, then with a DeployError.
    """
    here, there = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_work, args=(there, part, wanted), name=f"preview {part.name}")
    process.start()
    there.close()
    asked = False
    try:
        while True:
            if stop.is_set() and not asked:
                process.terminate()
                asked = True
            if not here.poll(_ASK_AGAIN_S):
                continue
            kind, told = here.recv()
            if kind == _FAILED:
                raise DeployError(told["what"], where=told["where"], next_step=told["next_step"])
            if kind == _RESULT:
                found: dict[str, int] = told
                return found
            observe(told)
    except EOFError:
        raise _ended(part, stop) from None
    finally:
        here.close()
        process.join()


def _ended(part: Part, stop: threading.Event) -> DeployError:
    if stop.is_set():
        return DeployError("its preview was stopped", where=f"stack {part.name}", next_step="preview it again")
    return DeployError(
        "the process of its preview ended without a result",
        where=f"stack {part.name}",
        next_step="see above for why, or whether memory ran out (dmesg); then preview it again",
    )


def _work(there: Connection, part: Part, wanted: Wanted) -> None:
    # Ctrl-C reaches every process of a terminal, also the caller, who says when to stop, once: two would disturb the clean-up.
    signal.signal(signal.SIGINT, _nothing)
    signal.signal(signal.SIGTERM, _interrupt)
    # Interrupted, or the caller was killed: nobody waits for it any more.
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        there.send(_outcome(part, wanted, lambda step: there.send((_STEP, step))))


def _outcome(part: Part, wanted: Wanted, observe: Callable[[Step], None]) -> tuple[str, object]:
    try:
        return _RESULT, lifecycle.preview(part.name, part.cells, wanted, observe)
    except CowbenchError as error:
        return _FAILED, {"what": error.what, "where": error.where, "next_step": error.next_step}


def _nothing(*_: Any) -> None:  # noqa: ANN401 - a signal's
    """Not SIG_IGN, which Pulumi would inherit."""


def _interrupt(*_: Any) -> None:  # noqa: ANN401 - a signal's
    signal.signal(signal.SIGTERM, _nothing)
    raise KeyboardInterrupt
