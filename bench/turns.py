"""Runs take turns on a machine, trial by trial: two that loaded it at once would be in each other's numbers.

The locks lie where every user and every state directory of a machine finds the same ones; a killed process releases its own.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLDER = Path("/tmp")  # noqa: S108 - the one folder that every user of a machine may write to; what lies there is never trusted
_ASK_AGAIN_S = 0.1


@contextmanager
def turn(machine: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Only one process is in here for a machine at a time; `waiting` is called again and again while another one is.

    Who waits is next: a run that begins its next trial at once does not pass by. What `waiting` raises ends the wait. Raises
    DeployError where the lock cannot be opened.
    """
    with ExitStack() as held:
        with _alone(_path(machine, "next"), waiting):
            held.enter_context(_alone(_path(machine, "now"), waiting))
        yield


def _path(machine: str, what: str) -> Path:
    return _FOLDER / f"cowbench-{quote(machine, safe='')}.{what}"


@contextmanager
def _alone(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    handle = _locked(path)
    while handle is None:
        waiting()
        time.sleep(_ASK_AGAIN_S)
        handle = _locked(path)
    try:
        yield
    finally:
        # Closing is not enough where a child process has inherited it.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _locked(path: Path) -> int | None:
    """The locked file, None where another process has it, or where the file was cleared away in this moment."""
    handle = _open(path)
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    os.close(handle)
    return None


def _open(path: Path) -> int:
    """The file, made where there is none. For reading: another user's file in a shared folder cannot be opened in other ways."""
    try:
        with suppress(FileExistsError):
            made = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
            os.fchmod(made, 0o644)
            return made
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        step = "remove it as the user who owns it; while a run is measured, wait for that run first"
        raise DeployError(f"this machine's lock cannot be opened ({error.strerror})", where=str(path), next_step=step) from None
