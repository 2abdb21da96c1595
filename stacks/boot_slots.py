"""How many VMs boot at the same time on this machine: more than its cores only make each other late, up to their time limit."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stacks import state

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_S = 0.2


def count(*, accelerated: bool) -> int:
    """Boots at once: an emulated one keeps a core busy, under KVM a boot mostly waits."""
    cores = os.cpu_count() or 1
    return cores * 2 if accelerated else cores


@contextmanager
def slot(slots: int) -> Iterator[None]:
    """Waits for one of the slots, over all processes of this state directory. The kernel frees it when the holder dies."""
    directory = state.root() / "boots"
    directory.mkdir(parents=True, exist_ok=True)
    files = [(directory / f"{number}.lock").open("w") for number in range(slots)]
    try:
        while not any(_taken(file.fileno()) for file in files):
            time.sleep(_POLL_S)
        yield
    finally:
        for file in files:
            file.close()


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
