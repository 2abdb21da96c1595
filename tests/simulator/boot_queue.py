"""VMs of a simulator boot in turn, as many at a time as there are cores: dozens of emulated ones would starve one another.

A cloud has room for all of them at once; on one machine the guests' own start limits run out while they wait for a CPU.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from stacks import vm_process
from tests.simulator import monitor

if TYPE_CHECKING:
    from pathlib import Path

_PAUSED, _LET_GO = "paused", "let-go"
_FINISHED = b"Cloud-init v."
_FINISHED_AT = b" finished at "
_LIMIT_S = 300.0
"""A VM that has not come up after so long keeps no other waiting."""

PAUSED = ("-S",)
"""Of QEMU's command line: powered on, and no instruction run yet."""


def join(folder: Path) -> None:
    """The VM in `folder`, powered on and paused, waits for its turn."""
    (folder / _PAUSED).touch()


def is_waiting(folder: Path) -> bool:
    """Whether the VM's turn has not come yet."""
    return (folder / _PAUSED).exists()


def advance(directory: Path) -> None:
    """Let those go whose turn it is, the longest waiting first. To be called again and again."""
    folders = [folder for folder in (directory / "vms").glob("*") if (folder / "booted").exists() and vm_process.running(folder)]
    waiting = sorted((folder for folder in folders if is_waiting(folder)), key=_since)
    free = (os.cpu_count() or 1) - sum(_is_booting(folder) for folder in folders)
    for folder in waiting[: max(0, free)]:
        (folder / _LET_GO).touch()
        monitor.say(folder / "qmp.sock", "cont")
        (folder / _PAUSED).unlink()


def _since(folder: Path) -> float:
    return (folder / _PAUSED).stat().st_mtime


def _is_booting(folder: Path) -> bool:
    if is_waiting(folder) or not (folder / _LET_GO).exists():
        return False
    if time.time() - (folder / _LET_GO).stat().st_mtime > _LIMIT_S:
        return False
    console = (folder / "console.log").read_bytes() if (folder / "console.log").exists() else b""
    return not any(_FINISHED in line and _FINISHED_AT in line for line in console.splitlines())
