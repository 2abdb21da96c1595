"""QEMU's monitor: one command to a VM that runs, over its QMP socket."""

from __future__ import annotations

import json
import socket
from typing import IO, TYPE_CHECKING, Any

from bench.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 20


def say(path: Path, command_line: str) -> str:
    """What the monitor answers to a command of its human interface, empty when it has nothing to say.

    Raises DeployError when nobody answers.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_LIMIT_S)
            connection.connect(str(path))
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.readline()  # the greeting
                _execute(stream, "qmp_capabilities")
                said = _execute(stream, "human-monitor-command", {"command-line": command_line})
    except (OSError, ValueError) as error:
        raise DeployError(f"the monitor at {path} does not answer ({error})", next_step="is QEMU still there?") from error
    return str(said).strip()


def _execute(stream: IO[str], name: str, arguments: dict[str, Any] | None = None) -> object:
    stream.write(json.dumps({"execute": name, "arguments": arguments or {}}) + "\n")
    stream.flush()
    while True:
        answer = json.loads(stream.readline())
        if "return" in answer:
            return answer["return"]
        if "error" in answer:
            raise ValueError(answer["error"]["desc"])
        # Events come in between.
