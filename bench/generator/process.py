"""The load generator's process seen from outside: started, asked over pipes, ended; never left behind."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CREDENTIALS_VARIABLE: Final = "COWBENCH_GENERATOR_CREDENTIALS"
"""Names to key pairs as JSON: the environment is the one way that neither `ps` nor a log shows."""

SILENCE_S: Final = 30.0
"""A child says that it is alive each second. One that says nothing for so long hangs, and is killed."""

COMMAND: Final = (sys.executable, "-P", "-m", "bench.generator.child")
"""`-P`: nothing of the current directory may stand in for a module."""

FAREWELL_S: Final = 2.0
"""What a child may take to end once it has nothing to listen to."""


class ChildLost(Exception):  # noqa: N818 - reads as the event that it is
    """The child ended or hangs; `str()` is the verb of a sentence."""


class Child:
    """The process and the pipes to it."""

    def __init__(self, credentials: Mapping[str, tuple[str, str]], log: Path, hello: dict[str, Any]) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(credentials),
            )
        self._unread = b""
        self._hello: dict[str, Any] | None = hello
        self.facts: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """Of the process, while it lives."""
        return self._process.pid

    def ask(self, request: dict[str, Any], on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Sends a request and waits for its end. Raises ChildLost."""
        if self._hello is not None:
            self._send(self._hello)
            self._hello = None
            self.facts = self._last_line(lambda _: None)
            if self.facts["problem"]:
                raise ChildLost(f"could not begin ({self.facts['problem'].rstrip('.')})")
        self._send(request)
        return self._last_line(on_progress)

    def close(self) -> None:
        """Ends the process by closing its input; by force when that does not help."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL_S)
        self.kill()

    def abandon(self) -> None:
        """Ends the process, from any thread; the one that uses it notices, and cleans up."""
        self._process.kill()

    def kill(self) -> None:
        """Ends the process at once, and leaves no zombie and no open pipe."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            stream = _pipe(self._process.stdin)
            stream.write(json.dumps(message).encode() + b"\n")
            stream.flush()
        except OSError as error:
            raise ChildLost(self._how_it_ended()) from error

    def _last_line(self, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self._line())
            event = message.pop("event")
            if event == "done":
                return message
            if event == "progress":
                on_progress(message)

    def _line(self) -> bytes:
        pipe = _pipe(self._process.stdout).fileno()
        # Not `select`: it cannot watch a descriptor above 1023.
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        give_up = monotonic() + SILENCE_S
        while b"\n" not in self._unread:
            if not poll.poll(1000 * max(0.0, give_up - monotonic())):
                raise ChildLost(f"said nothing for {SILENCE_S:.0f} s and was killed")
            piece = os.read(pipe, 1 << 16)
            if not piece:
                raise ChildLost(self._how_it_ended())
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _how_it_ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            return how_it_ended(self._process.wait(FAREWELL_S))
        return "closed its output"


def how_it_ended(code: int) -> str:
    """The verb of a sentence about a process that ended with this status; negative where a signal killed it."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"


def environment(credentials: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """What a child starts with: the keys, and nothing that would change the client behind our back.

    That is profiles, endpoints and settings for AWS, proxies.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BOTO", "LOCUST_"))}
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        kept["AWS_CA_BUNDLE"] = bundle
    project = str(Path(__file__).resolve().parents[2])
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    path = os.pathsep.join(filter(None, [project, os.environ.get("PYTHONPATH", "")]))
    return {**kept, **nowhere, "PYTHONPATH": path, CREDENTIALS_VARIABLE: json.dumps(credentials)}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
