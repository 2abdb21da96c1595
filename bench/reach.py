"""One shell command on a host, by its reach: the start of a command line on this machine (`bench.records.Target.reach`).

What lies between may be cut at any moment, so commands here are harmless to repeat, and `persist` repeats them.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE: Final = ("sh", "-c")
"""The reach of the operator's own machine."""

LOST_S: Final = 120.0
"""A host that could not be reached for so long is given up: a restarted switch or a VM that is moved is back by then."""

AGAIN: Final = 75
"""What a command of ours ends with when what it was given came in torn: EX_TEMPFAIL of sysexits.h."""

_SSH_FAILED: Final = 255
_KILLED: Final = 128
"""A shell says 128 and more of what a signal killed, and ssh(1) 255 of a connection that failed: both are no answer."""

_CALL_S: Final = 30.0
_SAID: Final = 300


class Unreachable(Exception):  # noqa: N818 - reads as what the host is
    """The host gave no answer; `str()` is why, in words."""


class Refused(Exception):  # noqa: N818 - reads as what the host did
    """The host answered, and the command failed; `str()` is what it said."""


@dataclass(frozen=True, kw_only=True)
class _Ended:
    status: int
    output: bytes
    said: str


def call(reach: Sequence[str], command: str, *, stdin: bytes = b"", timeout_s: float = _CALL_S) -> bytes:
    """What the command puts out. Raises Unreachable, also where it takes too long, and Refused."""
    ended = _run(start(reach, command, stderr=subprocess.PIPE), stdin, timeout_s)
    if ended.status == 0:
        return ended.output
    said = ended.said or f"status {ended.status}"
    raise (Unreachable if _no_answer(ended.status) else Refused)(said)


def persist(reach: Sequence[str], command: str, *, stdin: bytes = b"") -> bytes:
    """As `call`, but a host that gives no answer is asked again until LOST_S have passed. The command must bear repeating."""
    give_up = monotonic() + LOST_S
    for pause_s in pauses():
        try:
            return call(reach, command, stdin=stdin)
        except Unreachable:
            if monotonic() + pause_s > give_up:
                raise
        sleep(pause_s)
    raise AssertionError("pauses never end")


def pauses() -> Iterator[float]:
    """How long to wait before the next try, and the one after it: at once where it may help, then ever less often."""
    return chain((0.1, 0.2, 0.5, 1.0, 2.0), repeat(5.0))


def start(reach: Sequence[str], command: str, *, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Starts the command with pipes to it, in a process group of its own: Ctrl-C is the caller's to decide about.

    Raises Refused where there is no such program.
    """
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen([*reach, command], stdin=pipe, stdout=pipe, stderr=stderr, start_new_session=True)
    except OSError as error:
        raise Refused(f"{reach[0]} could not be started: {error.strerror}") from None


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends what `start` started, with everything it started here, and leaves no zombie and no open pipe."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        _close(pipe)


def answered(status: int) -> bool:
    """Whether the host itself said this status, so that asking again would not help."""
    return not _no_answer(status)


def _run(process: subprocess.Popen[bytes], stdin: bytes, timeout_s: float) -> _Ended:
    try:
        output, said = process.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return _Ended(status=_SSH_FAILED, output=b"", said=f"no answer within {timeout_s:.0f} s")
    finally:
        stop(process)
    return _Ended(status=process.returncode, output=output, said=said.decode(errors="replace").strip()[-_SAID:])


def _no_answer(status: int) -> bool:
    return status < 0 or status == AGAIN or status > _KILLED


def _close(pipe: IO[bytes] | None) -> None:
    if pipe:
        with suppress(OSError):
            pipe.close()
