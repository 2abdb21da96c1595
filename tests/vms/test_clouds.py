"""Rented VMs, measured: simulated clouds with VMs behind their instances, and what becomes of a run when one is taken away."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bench import store
from tests.live.place import happens
from tests.simulator import place as simulators
from tests.simulator import table
from tests.simulator.place import simulator
from tests.simulator.secret_search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.place import Ended, Place, Started
    from tests.simulator.place import Simulator

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(1800),
    # The simulator's API outlives the object that started it, on purpose: the next command finds it by its directory.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]

STACK = "rented"
VM_BYTES = 768 << 20
RUN_LIMIT_S = 600
RECLAIMED = "spot_reclaimed"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A stack on simulated clouds, and a search for its secrets that looks on after every command."""

    place: Place
    simulated: Simulator
    search: Search

    def cowbench(self, *arguments: str | Path) -> Ended:
        ended = self.place.cowbench(*arguments, "--stack", STACK, **self.simulated.environment())
        self.search.look()
        return ended

    def start(self, *arguments: str | Path) -> Started:
        return self.place.start(*arguments, **self.simulated.environment())

    def matrix(self, clouds: list[str], *, blocks: int, spot: bool = False, generators: int = 0, duration: str = "1s") -> Path:
        put = {"op": "put", "object_size": "4KiB", "concurrency": 1, "duration": duration, "warm_up": "100ms"}
        document: dict[str, Any] = {
            "schema": 1,
            "name": STACK,
            "axes": {
                "cloud": clouds,
                "machine_image": ["debian-13"],
                "driver": ["overlay2"],
                "server": ["versitygw"],
                "data_placement": ["writable_layer"],
            },
            "disk_size": "10GiB",
            "deploy": {"operator": "127.0.0.0/8", "expires": "2h", "spot": spot},
            "load": {"blocks": blocks, "seed": 1, "op_timeout": "10s", "workloads": [put]},
        }
        if generators:
            document["load"]["generators"] = generators
        path = self.place.root / f"{STACK}-{blocks}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def left(self) -> list[str]:
        events = table.history(self.simulated.directory)
        return [f"{each.cloud} {each.kind} {each.name}" for each in events if each.deleted_at is None]

    def folder(self) -> Path:
        """The newest run folder."""
        return max(self.place.runs.glob("[!.]*"))

    def until_results(self, number: int, run: Started) -> None:
        def there() -> bool:
            return run.process.poll() is not None or (
                any(self.place.runs.glob("[!.]*")) and len(list(store.results(self.folder()))) >= number
            )

        assert happens(there, within_s=RUN_LIMIT_S), run.said
        assert run.process.poll() is None, run.said


@contextmanager
def campaign(place: Place, *clouds: str) -> Iterator[Campaign]:
    """At the end nothing is left in the accounts, and no secret was where none must be."""
    # Short: unix sockets of VMs lie below it.
    with simulator(place.root / "c", clouds=clouds, machines=clouds, most_memory_bytes=VM_BYTES) as simulated:
        made = Campaign(place=place, simulated=simulated, search=Search(state=place.state, simulator=simulated.directory))
        try:
            yield made
            made.search.look_into(place.state, place.runs, place.root / "c")
        finally:
            ended = made.cowbench("down")
        assert ended.code == 0, ended.said
        assert made.left() == []
        assert made.search.secrets
        assert made.search.found == set()


def test_a_stack_of_two_clouds_is_looked_at_measured_and_a_killed_run_goes_on(own_place: Place) -> None:
    with campaign(own_place, "hetzner", "digitalocean") as two:
        matrix = two.matrix(["hetzner", "digitalocean"], blocks=4)
        up = two.cowbench("up", matrix)
        assert up.code == 0, up.said

        looked = two.cowbench("check")
        assert looked.code == 0, looked.said
        assert "2 cells as planned" in looked.said
        cells = {word for word in up.said.split() if "-versitygw-" in word}
        assert {cell.partition("-")[0] for cell in cells} == {"hetzner", "digitalocean"}
        for cell in cells:
            logs = two.cowbench("logs", cell)
            assert logs.code == 0, logs.said

        run = two.start("run", matrix, "--stack", STACK, "--runs", own_place.runs)
        two.until_results(2, run)
        run.process.kill()
        run.end()
        first = len(list(store.results(two.folder())))
        resumed = two.place.cowbench("run", "--resume", two.folder(), **two.simulated.environment())

        assert resumed.code in {0, 4}, resumed.said
        results = list(store.results(two.folder()))
        assert 2 <= first < len(results) == 8
        assert [result.problem for result in results if result.problem] == []
        assert {result.trial.cell.partition("-")[0] for result in results} == {"hetzner", "digitalocean"}


def test_spot_vms_are_measured_from_a_generator_beside_them_until_one_is_taken_away(own_place: Place) -> None:
    with campaign(own_place, "aws") as rented:
        matrix = rented.matrix(["aws"], blocks=8, spot=True, generators=1, duration="2s")
        up = rented.cowbench("up", matrix)
        assert up.code == 0, up.said
        rows = {each.name: each for each in table.history(own_place.root / "c") if each.kind.endswith(":Instance")}
        assert len(rows) == 2
        target = next(name for name in rows if not name.startswith("load-"))

        run = rented.start("run", matrix, "--stack", STACK, "--runs", own_place.runs)
        rented.until_results(2, run)
        rented.search.look()
        simulators.reclaim(own_place.root / "c", "aws", rows[target].id)
        taken_at = time.time()
        ended = run.end()

        assert ended.code == 3, ended.said
        assert time.time() - taken_at < RUN_LIMIT_S
        done = store.read(rented.folder())
        told = [finding for finding in done.findings if finding.check == RECLAIMED]
        assert told, ended.said
        assert [finding.check for finding in done.findings if finding.level == "error" and finding.check == "integrity"] == []
        results = list(store.results(rented.folder()))
        assert results[0].problem == ""
        lost = {index for finding in told for index in finding.trials}
        assert results[0].trial.index not in lost
        assert results[-1].trial.index in lost
