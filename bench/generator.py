"""The load generator as the rest of the program sees it: a child process that measures one trial at a time.

The child is started once and serves the whole run. Whatever becomes of it, a trial gives a `TrialResult`: without samples
and with the problem in words when the child died or fell silent, and the next trial gets a new child.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, Final, Self

from bench.records import ClientHealth, TrialResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from bench.records import Load, Target, Trial, Workload

SILENCE_S: Final = 30.0
"""A child says that it is alive each second. One that says nothing for so long hangs, and is killed."""

_FAREWELL_S: Final = 2.0
_CREDENTIALS_VARIABLE: Final = "COWBENCH_GENERATOR_CREDENTIALS"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A trial so far, from the gate on and with its warm-up: for the live view only. Failed ops count as ops, not as bytes."""

    ops: int
    failed_ops: int
    elapsed_s: float
    ops_per_s: float
    bytes_per_s: float


class Generator:
    """Prepares targets and measures trials. A context manager; leave it, or call `close`, to end the child.

    `credentials` maps a target's credential name to (access key, secret key). Parts of samples appear in `samples`, which
    must exist; the child's log goes to `log`. Use it from the thread that made it, which must outlive it: Linux ends a child
    together with the thread that started it. No method raises for what a server does; problems are sentences.
    """

    def __init__(self, *, load: Load, credentials: Mapping[str, tuple[str, str]], samples: Path, log: Path) -> None:
        self._load = load
        self._credentials = dict(credentials)
        self._samples = samples.resolve()
        self._log = log
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        # Its imports take about a second: let them pass while the first checks run.
        self._child = self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def prepare(self, target: Target, workload: Workload) -> str:
        """Makes the bucket and puts the objects that must stand before a trial. "" or the problem; harmless to repeat."""
        return str(self._ask("prepare", target, workload)["problem"])

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        """One trial. Calls back a few times a second; an exception of the callback ends the child and passes through."""
        workload = next(each for each in self._load.workloads if each.name == trial.workload)
        started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        answer = self._ask("measure", target, workload, trial=asdict(trial), on_progress=on_progress)
        if "result" in answer:
            return _result(trial, answer["result"])
        self._remove_parts(trial)
        return TrialResult(
            trial=trial,
            started_at=started_at,
            window_start_ns=0,
            window_end_ns=0,
            samples=0,
            parts=(),
            health=None,
            stamps=(),
            problem=str(answer["problem"]),
        )

    def clean_up(self, target: Target, workload: Workload) -> str:
        """Deletes everything that the workload has in the target. "" or the problem; harmless to repeat."""
        return str(self._ask("clean_up", target, workload)["problem"])

    def close(self) -> None:
        """Ends the child; does nothing when there is none."""
        if self._child:
            self._child.close()
        self._child = None

    def _ask(
        self,
        do: str,
        target: Target,
        workload: Workload,
        *,
        trial: dict[str, Any] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        if self._child is None:
            self._child = self._start()
        request = {"do": do, "endpoint": target.endpoint, "credential": target.credential, "workload": asdict(workload)}
        try:
            return self._child.ask({**request, "trial": trial}, on_progress)
        except _ChildLost as lost:
            self._end_by_force()
            return {"problem": f"the load generator {lost} while it was to {do.replace('_', ' ')}. Its log is {self._log}."}
        except BaseException:
            # It is in the middle of something that nobody waits for any more.
            self._end_by_force()
            raise

    def _start(self) -> _Child:
        environment = _environment()
        environment[_CREDENTIALS_VARIABLE] = json.dumps(self._credentials)
        return _Child(environment, self._log, {"load": asdict(self._load), "samples": str(self._samples)})

    def _end_by_force(self) -> None:
        if self._child:
            self._child.kill()
        self._child = None

    def _remove_parts(self, trial: Trial) -> None:
        for part in self._samples.glob(f"part-{trial.index:05d}-*"):
            part.unlink()


class _ChildLost(Exception):  # noqa: N818 - reads as the event that it is
    """The child ended or hangs; `str()` is the verb of a sentence."""


class _Child:
    """The process and the pipes to it."""

    def __init__(self, environment: Mapping[str, str], log: Path, hello: dict[str, Any]) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                # -P: nothing of the current directory may stand in for a module.
                [sys.executable, "-P", "-m", "bench.generator_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
            )
        self._unread = b""
        self._hello: dict[str, Any] | None = hello
        self.facts: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: dict[str, Any], on_progress: Callable[[Progress], None] | None) -> dict[str, Any]:
        """Sends a request and waits for its end. Raises _ChildLost."""
        if self._hello is not None:
            self._send(self._hello)
            self._hello = None
            self.facts = self._last_line(None)
        self._send(request)
        return self._last_line(on_progress)

    def close(self) -> None:
        """Ends the process by closing its input; by force when that does not help."""
        with suppress(OSError):
            _pipe(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL_S)
        self.kill()

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
            raise _ChildLost(self._how_it_ended()) from error

    def _last_line(self, on_progress: Callable[[Progress], None] | None) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self._line())
            event = message.pop("event")
            if event == "done":
                return message
            if event == "progress" and on_progress:
                on_progress(Progress(**message))

    def _line(self) -> bytes:
        pipe = _pipe(self._process.stdout).fileno()
        give_up = monotonic() + SILENCE_S
        while b"\n" not in self._unread:
            if not select.select([pipe], [], [], max(0.0, give_up - monotonic()))[0]:
                raise _ChildLost(f"said nothing for {SILENCE_S:.0f} s and was killed")
            piece = os.read(pipe, 1 << 16)
            if not piece:
                raise _ChildLost(self._how_it_ended())
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _how_it_ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_FAREWELL_S)
            return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        return "closed its output"


def _environment() -> dict[str, str]:
    """Ours without what would change the client behind our back: profiles, endpoints and settings for AWS, proxies."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BOTO", "LOCUST_"))}
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        kept["AWS_CA_BUNDLE"] = bundle
    project = str(Path(__file__).resolve().parent.parent)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **nowhere, "PYTHONPATH": os.pathsep.join(filter(None, [project, os.environ.get("PYTHONPATH", "")]))}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _result(trial: Trial, plain: dict[str, Any]) -> TrialResult:
    health = ClientHealth(**plain["health"]) if plain["health"] else None
    parts, stamps = tuple(plain["parts"]), tuple(plain["stamps"])
    return TrialResult(**{**plain, "trial": trial, "health": health, "parts": parts, "stamps": stamps})
