"""Running a shell command on a host, this one or another: one way to do it, whatever lies between.

A *reach* is the start of a command line to which the shell command is appended: `("sh", "-c")`, or `ssh` with a host's own
configuration. It is data, so it can stand in `targets.json`.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = ("sh", "-c")

NO_ANSWER = 255
"""A status of `run`: ssh(1) has it for a connection that failed."""


def run(reach: Sequence[str], command: str, *, timeout_s: float, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command's status and what it said. A host that does not answer within `timeout_s` gives status 255, as ssh has it."""
    try:
        return subprocess.run(
            [*reach, command], input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        said = f"no answer within {timeout_s:.0f} s"
        return subprocess.CompletedProcess([*reach, command], NO_ANSWER, stdout="", stderr=said)
