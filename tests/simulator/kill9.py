"""`kill -9` of anything while simulated clouds go up, then `down`, `sweep`, or a sweep of the accounts: is anything left?

By hand: `python -m tests.simulator.kill9 --rounds 50 --seed 7`. No VM stands behind the instances, so every round is about what
exists in the accounts. The last way to clean up is that of an operator whose machine died: no state, no process, only labels.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import yaml

from tests.live import place as places
from tests.live.place import happens
from tests.simulator import clouds, table
from tests.simulator.place import simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.live.place import Place, Started

STACK = "kill9"
VICTIMS = ("cowbench", "pulumi", "plugin", "provider host")
CLEANERS = ("down", "sweep", "accounts")
SPAN_S = 30.0
"""About how long two clouds take on two cores until all that they are asked for exists, and hosts are waited for."""

_GRACE_S = 2.0
_LIMIT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """What to kill and when, on which clouds, and what cleans up. Seconds are from the start."""

    number: int
    victim: str
    moment_s: float
    cleaner: str
    clouds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it went. `existed` is what was in the accounts when all was dead; `left` must be empty."""

    round: Round
    killed: bool
    existed: int
    seconds: float
    left: tuple[str, ...]

    def __str__(self) -> str:
        this = self.round
        victim = this.victim if self.killed else f"({this.victim})"
        where = ",".join(this.clouds)
        left = ", ".join(self.left) or "nothing"
        columns = f"{this.number:>5}  {victim:<15}{where:<24}{this.moment_s:>6.1f}{self.existed:>9}"
        return f"{columns}  {this.cleaner:<10}{self.seconds:>7.1f}  {left}"


HEADER = "round  victim         clouds                    at s  existed  cleaner    took s  left"


def rounds(count: int, seed: int, chosen: tuple[str, ...] = clouds.CLOUDS) -> Iterator[Round]:
    """Every victim and every way to clean up in turn, each at a random moment, on two clouds at a time."""
    chance = random.Random(seed)
    pairs: list[tuple[str, ...]] = [*itertools.combinations(chosen, 2)] or [chosen]
    for number in range(count):
        yield Round(
            number=number,
            victim=VICTIMS[number % len(VICTIMS)],
            moment_s=chance.uniform(1, SPAN_S),
            cleaner=CLEANERS[number % len(CLEANERS)],
            clouds=chance.choice(pairs),
        )


def play(this: Round, place: Place) -> Outcome:
    """One round: up, kill, end what is left of it, clean up, look into the accounts."""
    began = time.monotonic()
    matrix = _matrix(this, place)
    # Some of what a cloud does takes time: else hardly a kill would find it half done.
    with simulator(place.root / "c", clouds=this.clouds, pace=0.3) as simulated:
        environment = simulated.environment()
        started = place.start("up", matrix, "--stack", STACK, **environment)
        killed = _kill(this, place, started)
        time.sleep(_GRACE_S)
        if this.cleaner == "accounts":
            _end_all(place)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(started.process.pid).kill()
        started.end()
        existed = len(_existing(simulated.directory))
        said = _clean_up(this, place, environment)
        # Whoever lost their machine has no files of it to ask for.
        traces = place.traces if this.cleaner != "accounts" else list
        happens(lambda: not traces() and not _existing(simulated.directory), within_s=5)
        left = (*traces(), *_existing(simulated.directory))
    return Outcome(
        round=this, killed=killed, existed=existed, seconds=time.monotonic() - began, left=(*left, *(said if left else ()))
    )


def _matrix(this: Round, place: Place) -> Path:
    document = {
        "schema": 1,
        "name": "kill9",
        "axes": {"cloud": list(this.clouds), "machine_image": ["debian-12", "debian-13"], "server": ["versitygw"]},
        "disk_size": "20GiB",
        "deploy": {"operator": "127.0.0.0/8"},
        "load": {"blocks": 1, "workloads": [{"op": "put", "object_size": "4KiB"}]},
    }
    path = place.root / "kill9.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _kill(this: Round, place: Place, started: Started) -> bool:
    time.sleep(this.moment_s)
    for process in (psutil.Process(started.process.pid), *place.processes()):
        with contextlib.suppress(psutil.Error):
            if _is(this.victim, process, started):
                process.kill()
                return True
    return False


def _is(victim: str, process: psutil.Process, started: Started) -> bool:
    line = " ".join(process.cmdline())
    return {
        "cowbench": process.pid == started.process.pid,
        "pulumi": process.name() == "pulumi",
        "plugin": "tests.simulator.plugin" in line,
        "provider host": "-m pulumi.dynamic" in line,
    }[victim]


def _end_all(place: Place) -> None:
    """As when the machine loses its power: whoever works here ends, and nobody cleans up."""
    while alive := [process for process in place.processes() if "tests.simulator.api" not in process.cmdline()]:
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=5)


def _clean_up(this: Round, place: Place, environment: Mapping[str, str]) -> tuple[str, ...]:
    if this.cleaner == "down":
        return (place.cowbench("down", "--stack", STACK, **environment).said,)
    if this.cleaner == "sweep":
        return (place.cowbench("sweep", **environment).said,)
    shutil.rmtree(place.state, ignore_errors=True)
    own = {**environment, "COWBENCH_STATE": str(place.root / "another-machine")}
    ended = [place.start("sweep", "--cloud", cloud, "--all", **own).end() for cloud in this.clouds]
    return tuple(each.said for each in ended)


def _existing(directory: Path) -> list[str]:
    return [f"{each.cloud} {each.kind} {each.name}" for each in table.history(directory) if each.deleted_at is None]


def main() -> int:
    """Play the rounds and print what came of them. 0 when nothing was left of any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--clouds", default=",".join(clouds.CLOUDS))
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n{HEADER}\n")
    bad = 0
    for this in rounds(given.rounds, given.seed, tuple(given.clouds.split(","))):
        place = places.make(_LIMIT_S)
        try:
            outcome = play(this, place)
        finally:
            _end_all(place)
            place.remove()
        bad += bool(outcome.left)
        sys.stdout.write(f"{outcome}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{given.rounds - bad} of {given.rounds} rounds left nothing\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
