"""Whose a stack is and how long it may stand: tells what a killed process left from what is in use."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import psutil

from bench.errors import DeployError, InputError
from stacks import parts, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STANDING_S = 24 * 3600
"""How long a stack that was asked to stay may stand before `sweep` takes it."""

STACK_NAME_LIMIT = 20
"""Characters: the name is part of unix socket paths."""


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """`busy`: the process `pid`, started at `pid_started`, works on the stack.

    `standing`: it was left on purpose, until `expires_at` (Unix time).
    """

    stack: str
    status: Literal["busy", "standing"]
    pid: int
    pid_started: float
    expires_at: float


def check_name(stack: str) -> str:
    """The name itself. Raises InputError for one that cannot be part of paths, cgroups and cloud labels."""
    if re.fullmatch(rf"[a-z]([a-z0-9-]{{0,{STACK_NAME_LIMIT - 2}}}[a-z0-9])?", stack) is None:
        raise InputError(
            f"{stack!r} cannot name a stack",
            where="--stack",
            next_step="use lower-case letters, digits and hyphens, a letter first, no hyphen last, at most "
            f"{STACK_NAME_LIMIT} characters",
        )
    return stack


def claim(stack: str) -> None:
    """Mark the stack as worked on by this process. Raises DeployError while another live process works on it."""
    with _one_at_a_time():
        held = read(stack)
        if held is not None and held.status == "busy" and held.pid != os.getpid() and is_alive(held):
            raise DeployError(
                f"process {held.pid} is working on it",
                where=f"stack {stack}",
                next_step=f"wait for it, or stop it (kill -INT {held.pid}), or choose another --stack",
            )
        _write(stack, "busy")


def leave_standing(stack: str, expires_at: float | None = None) -> None:
    """Mark the stack as left on purpose, until `expires_at` (Unix time), else for `STANDING_S` seconds."""
    _write(stack, "standing", expires_at)


def note_if_unknown(stack: str) -> None:
    """A stack that plain `pulumi up` makes has no record yet: it was left on purpose too."""
    if read(stack) is None:
        _write(stack, "standing")


def forget_note(stack: str) -> None:
    """Remove the record that `note_if_unknown` made. A stack of which more is kept is `cowbench down`'s to forget."""
    directory = state.stack_dir(stack)
    if [path.name for path in directory.glob("*")] == ["owner.json"]:
        shutil.rmtree(directory, ignore_errors=True)


def read(stack: str) -> Ownership | None:
    """The record, or None when there is none or it was torn by a kill."""
    try:
        return Ownership(**json.loads(_file(stack).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_abandoned(stack: str) -> bool:
    """Whether nobody will come back for the stack: its process is dead, its time is over, or it has no record."""
    held = read(stack)
    if held is None:
        return True
    return held.expires_at < time.time() if held.status == "standing" else not is_alive(held)


def is_alive(held: Ownership) -> bool:
    """Whether the very process that wrote the record lives; a pid that was given to another one does not count."""
    try:
        return abs(psutil.Process(held.pid).create_time() - held.pid_started) < 1
    except psutil.NoSuchProcess:
        return False


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    state.root().mkdir(parents=True, exist_ok=True)
    with (state.root() / "owners.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _file(stack: str) -> Path:
    """One for all parts of a stack."""
    return state.stack_dir(parts.stack_of(stack)) / "owner.json"


def _write(stack: str, status: Literal["busy", "standing"], expires_at: float | None = None) -> None:
    me = psutil.Process()
    until = expires_at or time.time() + STANDING_S
    record = Ownership(stack=stack, status=status, pid=me.pid, pid_started=me.create_time(), expires_at=until)
    path = _file(stack)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(record), indent=2))
    draft.replace(path)
