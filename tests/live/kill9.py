"""`kill -9` of one of our processes at a random moment of a bench, then `down` or `sweep`: is anything left?

By hand: `python -m tests.live.kill9 --rounds 20 --seed 7` prints a line for each round and fails if anything was left; with
`--cloud qemu` the hosts are VMs.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from tests.live import place as places
from tests.live.place import happens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Place, Started

STACK = "kill9"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where rounds are played, and what there is to kill.

    `span_s` is about how long a bench takes on two cores: up, a few trials, down, report. `limit_s` is how long one command may
    take, `axes` are those of the matrix.
    """

    victims: tuple[str, ...]
    span_s: float
    limit_s: float = places.LIMIT_S
    axes: dict[str, Any] = field(default_factory=dict)


SCENES = {
    "local": Scene(victims=("cowbench", "generator", "engine", "pulumi", "provider host", "script"), span_s=12.0),
    "qemu": Scene(
        victims=("vm", "cowbench", "pulumi", "provider host", "ssh", "generator"),
        span_s=75.0,
        limit_s=900.0,
        axes={"cloud": ["qemu"], "machine_image": ["debian-trixie"]},
    ),
}
LOCAL = SCENES["local"]

_PHASES = (("nothing left", "reports"), (" trials measured", "goes down"), ("trial 0/", "measures"), ("create ", "goes up"))
"""What cowbench has said → what it does since, the latest first."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What to kill and when, and what cleans up. Seconds are from the start; a victim that is not there yet is waited for."""

    number: int
    victim: str
    moment_s: float
    cleaner: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it went. `code` is how cowbench ended, `killed` False when the victim never came; `left` must be empty."""

    round: Round
    killed: bool
    phase: str
    code: int
    left_by_kill: int
    seconds: float
    left: tuple[str, ...]

    def __str__(self) -> str:
        victim = self.round.victim if self.killed else f"({self.round.victim})"
        left = ", ".join(self.left) or "nothing"
        columns = (
            f"{self.round.number:>5}  {victim:<15}{self.phase:<11}{self.round.moment_s:>8.2f}{self.code:>6}{self.left_by_kill:>7}"
        )
        return f"{columns}  {self.round.cleaner:<8}{self.seconds:>8.1f}  {left}"


HEADER = "round  victim         phase         at s  exit traces  cleaner     took s  left"


def rounds(count: int, seed: int, scene: Scene = LOCAL) -> Iterator[Round]:
    """Every victim in turn, each at a random moment."""
    chance = random.Random(seed)
    for number in range(count):
        moment_s = chance.uniform(0, scene.span_s)
        victim = scene.victims[number % len(scene.victims)]
        yield Round(number=number, victim=victim, moment_s=moment_s, cleaner=chance.choice(("down", "sweep")))


def play(this: Round, place: Place, scene: Scene = LOCAL) -> Outcome:
    """One round: bench, kill, wait for what is left of it, clean up, look."""
    began = time.monotonic()
    matrix = place.matrix(axes=scene.axes, load={"blocks": 4})
    started = place.start("bench", matrix, "--stack", STACK, "--runs", place.runs)
    killed, phase = _kill(this, place, started)
    ended = started.end()
    left_by_kill = len(place.traces())
    cleaned = place.cowbench("down", "--stack", STACK) if this.cleaner == "down" else place.cowbench("sweep")
    happens(lambda: not place.traces(), within_s=5)
    left = place.traces()
    left += [ended.said for ended in (ended, cleaned) if "Traceback" in ended.said]
    left += [] if cleaned.code == 0 else [cleaned.said]
    return Outcome(
        round=this,
        killed=killed,
        phase=phase,
        code=ended.code,
        left_by_kill=left_by_kill,
        seconds=time.monotonic() - began,
        left=tuple(left),
    )


def _kill(this: Round, place: Place, started: Started) -> tuple[bool, str]:
    """Whether the victim was met, and what cowbench did at that moment."""
    with contextlib.suppress(psutil.TimeoutExpired):
        psutil.Process(started.process.pid).wait(this.moment_s)
    while started.process.poll() is None:
        if victims := find(this.victim, place, started):
            with contextlib.suppress(psutil.NoSuchProcess):
                victims[0].kill()
                return True, _phase(started.said)
        time.sleep(0.02)
    return False, "over"


def find(victim: str, place: Place, started: Started) -> list[psutil.Process]:
    """The processes that a victim's name stands for, those that live now."""
    if victim == "cowbench":
        return [psutil.Process(started.process.pid)] if started.process.poll() is None else []
    found = []
    for process in place.processes():
        with contextlib.suppress(psutil.Error):
            if _is(victim, process.name(), process.cmdline()):
                found.append(process)
    return found


def _is(victim: str, name: str, arguments: list[str]) -> bool:
    line = " ".join(arguments)
    return {
        "generator": line.endswith("-m bench.generator.child"),
        "engine": name == "dockerd",
        # Not the one that is booted to see whether KVM works: its end is an answer.
        "vm": name.startswith("qemu-system") and "-pidfile" in arguments,
        "ssh": name == "ssh",
        "pulumi": name == "pulumi",
        "provider host": "-m pulumi.dynamic" in line,
        "script": name == "sh" and (line == "sh -s" or line.endswith("/up.sh")),
    }[victim]


def _phase(said: str) -> str:
    return next((phase for words, phase in _PHASES if words in said), "begins")


def main() -> int:
    """Play the rounds and print what came of them. 0 when nothing was left of any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--cloud", choices=tuple(SCENES), default="local")
    arguments = parser.parse_args()
    scene = SCENES[arguments.cloud]
    sys.stdout.write(f"seed {arguments.seed}\n{HEADER}\n")
    bad = 0
    for this in rounds(arguments.rounds, arguments.seed, scene):
        place = places.make(scene.limit_s)
        try:
            outcome = play(this, place, scene)
        finally:
            place.remove()
        bad += bool(outcome.left)
        sys.stdout.write(f"{outcome}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{arguments.rounds - bad} of {arguments.rounds} rounds left nothing\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
