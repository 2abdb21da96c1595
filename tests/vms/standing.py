"""A stack of VMs that stands for the tests of a file or of the whole suite, and what they ask of it."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import clients, store, targets
from bench.client import Settings
from stacks import connection, lifecycle, reach, state
from tests.live.place import happens

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from bench.client import Client
    from bench.records import Run, Target, TrialResult
    from tests.live.place import Ended, Place, Started

PUT = {"op": "put", "object_size": "4KiB", "concurrency": 2, "duration": "2s", "warm_up": "100ms"}
"""Small and short: what is looked at is what fails, and how it is told."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack of one host, its servers beside each other. `axes` are those of its matrix."""

    place: Place
    name: str
    axes: dict[str, Any]

    def up(self) -> None:
        """Make it stand; fails with everything that was said."""
        ended = self.place.cowbench("up", self.matrix(), "--stack", self.name)
        assert ended.code == 0, ended.said

    def down(self) -> Ended:
        """Take it away."""
        return self.place.cowbench("down", "--stack", self.name)

    def matrix(self, *, blocks: int = 1, **workload: Any) -> Path:
        """Its matrix, with a load of puts."""
        load = {"blocks": blocks, "op_timeout": "5s", "workloads": [{**PUT, **workload}]}
        return self.place.matrix(self.name, axes=self.axes, load=load)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Its cells, as they were deployed."""
        return targets.parse(lifecycle.standing(self.name).targets_json).targets

    def target(self, server: str) -> Target:
        """The cell of a server."""
        return next(target for target in self.targets if target.cell.server == server)

    @property
    def host(self) -> str:
        """The name of its one host."""
        (host,) = {target.cell.host for target in self.targets}
        return host

    @property
    def root(self) -> Path:
        """The directory of the host's VM on this machine."""
        return state.host_dir(self.name, self.host)

    def shell(self, command: str, *, stdin: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        return reach.run(self.targets[0].reach, command, timeout_s=timeout_s, stdin=stdin)

    def client(self, server: str) -> Client:
        """An S3 client of the server."""
        standing, settings = lifecycle.standing(self.name), Settings(connections=4, silence_s=20.0, expect_100_continue=False)
        target = self.target(server)
        return clients.load("boto3")(target.endpoint, *standing.credentials[target.credential], settings)

    def durability(self, server: str, *options: str) -> tuple[int, dict[str, Any]]:
        """What `cowbench durability` ends with, and what it found."""
        cell = self.target(server).cell.name
        ended = self.place.cowbench("durability", cell, "--stack", self.name, "--json", *options)
        assert "\n{" in ended.said, ended.said
        found: dict[str, Any] = json.loads(ended.said[ended.said.index("\n{") :])
        return ended.code, found

    def restart_servers(self) -> None:
        """As somebody would who has set the host's clock: what a server knows of times is of the other clock."""
        for target in self.targets:
            with connection.engine(target.engine_url, self.name) as engine:
                engine.containers.get(f"cowbench-{target.cell.name}").restart(timeout=10)
        assert happens(lambda: self.place.cowbench("check", "--stack", self.name).code == 0, within_s=180)

    def start_run(self, *, blocks: int, **workload: Any) -> Measurement:
        """Begin to measure; the run goes on beside the test."""
        runs = self.place.root / f"runs-{time.monotonic_ns()}"
        started = self.place.start("run", self.matrix(blocks=blocks, **workload), "--stack", self.name, "--runs", runs)
        return Measurement(started=started, runs=runs)

    def monitor(self, command: str, **arguments: Any) -> None:
        """One command to QEMU itself, which answers whatever the VM does (QEMU Machine Protocol)."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.root / "qmp.sock"))
            answers = connection.makefile("r")
            answers.readline()
            for each in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                connection.sendall(json.dumps(each).encode() + b"\n")
                answer = answers.readline()
                while "return" not in json.loads(answer):
                    assert "error" not in json.loads(answer), answer
                    answer = answers.readline()


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A run under way, and what is left of it when it has ended."""

    started: Started
    runs: Path

    @property
    def folder(self) -> Path:
        """The one run folder."""
        (folder,) = self.runs.glob("[!.]*")
        return folder

    @property
    def run(self) -> Run:
        """The run as it is on the disk."""
        return store.read(self.folder)

    @property
    def results(self) -> list[TrialResult]:
        """Its trials so far."""
        return list(store.results(self.folder))

    def until_results(self, number: int) -> None:
        """Wait for so many trials. Fails when the run ends without."""

        def there() -> bool:
            over = self.started.process.poll() is not None
            return over or (any(self.runs.glob("[!.]*")) and len(self.results) >= number)

        assert happens(there, within_s=self.started.limit_s), self.started.said
        assert self.started.process.poll() is None, self.started.said

    def errors(self) -> dict[str, int]:
        """How often ops failed, by `layer/kind/code`."""
        from pyarrow import parquet  # noqa: PLC0415 - takes a second, and few tests look at samples

        counts: dict[str, int] = {}
        for part in self.folder.glob("samples/*.parquet"):
            for error in parquet.read_table(part, columns=["error"]).column("error").to_pylist():
                if error:
                    counts[error] = counts.get(error, 0) + 1
        return counts

    def assert_told(self, *words: str) -> None:
        """That the run came to its end, and that its findings have these words."""
        ended = self.started.end()
        assert "Traceback" not in ended.said
        assert ended.code in {0, 1, 4}, ended.said
        assert self.run.state == "complete"
        told = "\n".join(f"{finding.text} {finding.fix}" for finding in self.run.findings)
        assert [word for word in words if word not in told] == [], told
