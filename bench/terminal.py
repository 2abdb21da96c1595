"""What a person sees while Cowbench works: a live line on a terminal, plain lines elsewhere. Nothing here decides anything."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.status import Status

_PLAIN_EVERY_S = 20
"""Without a terminal a line this often: enough to see that it lives, few enough to read in a CI log."""


class Screen:
    """Standard output for people. `plain` is forced when output is not a terminal or a program reads it."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=quiet, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal

    def say(self, text: str, style: str = "") -> None:
        """One line. Text is shown as it is: brackets in it are not markup."""
        self.console.print(Text(text, style=style))

    def step(self, text: str, seconds: float) -> None:
        """A finished step with its time, aligned with the bootstrap's lines."""
        self.console.print(Text.assemble(("ok   ", "green"), f"{text:<62}", (f"{seconds:7.1f} s", "dim")))

    @contextmanager
    def timed(self, text: str) -> Iterator[None]:
        """A step: shown as under way on a terminal, and as done with its time when it ends without an error."""
        started = time.monotonic()
        if self.live:
            with self.console.status(text):
                yield
        else:
            yield
        self.step(text, time.monotonic() - started)

    @contextmanager
    def measuring(self) -> Iterator[Callable[[Status], None]]:
        """A view of a run under way; call it with each status."""
        if self.live:
            with _live_view(self.console) as show:
                yield show
        else:
            yield _plain_view(self)


@contextmanager
def _live_view(console: Console) -> Iterator[Callable[[Status], None]]:
    progress = Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )
    blocks = progress.add_task("blocks", total=1, note="")
    trials = progress.add_task("trials", total=1, note="")
    now = Text("")
    with Live(Group(progress, now), console=console, refresh_per_second=4, transient=True):

        def show(status: Status) -> None:
            progress.update(blocks, completed=status.blocks_done, total=status.blocks)
            progress.update(trials, completed=status.trials_done, total=status.trials, note=f"{_clock(status.left_s)} left")
            now.plain = _line(status)

        yield show


def _plain_view(screen: Screen) -> Callable[[Status], None]:
    shown = {"block": -1, "at": time.monotonic()}

    def show(status: Status) -> None:
        due = time.monotonic() - shown["at"] > _PLAIN_EVERY_S
        if status.blocks_done != shown["block"] or due:
            shown["block"], shown["at"] = status.blocks_done, time.monotonic()
            counts = f"block {status.blocks_done}/{status.blocks}  trial {status.trials_done}/{status.trials}"
            screen.say(f"{counts}  {_clock(status.left_s)} left  {_line(status)}")

    return show


def _line(status: Status) -> str:
    rate = f"{status.ops_per_s:.0f} ops/s, {status.bytes_per_s / 2**20:.1f} MiB/s" if status.phase == "measure" else ""
    failed = f"{status.failed_ops} failed of {status.ops} ops"
    return "  ".join(part for part in (status.phase, status.workload, status.cell, rate, failed) if part)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
