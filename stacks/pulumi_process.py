"""The Pulumi CLI as a child that only we speak to: an interrupted one is asked to stop once, and waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pulumi import automation
from pulumi.automation.errors import create_command_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GRACE_S = 15
"""A step in flight ends within this time, or is killed and then swept."""


class PulumiProcess(automation.PulumiCommand):
    """Runs the CLI in a process group of its own.

    The SDK's way leaves it in the terminal's: Ctrl-C would reach it directly, our own request would be its second, and on a
    second one Pulumi forgets what it is making. And on an interrupt the SDK closes a pipe that its own thread still reads, which
    waits for the next line.
    """

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], object] | None = None,
        on_error: Callable[[str], object] | None = None,
    ) -> automation.CommandResult:
        """One command, to its end. Raises CommandError when it fails; a KeyboardInterrupt passes when the CLI has ended."""
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        if (directory := Path(self.command).parent).is_absolute():
            # Plugins lie beside the CLI.
            environment["PATH"] = f"{directory}{os.pathsep}{environment['PATH']}"
        process = subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        output, errors = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
        try:
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        result = automation.CommandResult(stdout=output.text(), stderr=errors.text(), code=code)
        if code != 0:
            raise create_command_error(result)
        return result


class _Reader:
    """Reads a pipe to its end in a thread, so that it never fills up."""

    def __init__(self, stream: IO[str] | None, observe: Callable[[str], object] | None) -> None:
        assert stream is not None
        self._stream, self._observe = stream, observe
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            for line in self._stream:
                self._lines.append(line.rstrip())
                if self._observe:
                    self._observe(self._lines[-1])

    def text(self) -> str:
        """All of it. A grandchild that outlives the CLI may hold the pipe open: it has nothing to say to us."""
        self._thread.join(timeout=5)
        return "\n".join(self._lines)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    process.kill()
    process.wait()
