"""What a person sees while Cowbench works: a live line on a terminal, plain lines elsewhere. Nothing here decides anything."""

from __future__ import annotations

import io
import os
import sys
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.status import Activity, Status

_PLAIN_EVERY_S = 20
"""Without a terminal a line this often: enough to see that it lives, few enough to read in a CI log."""


class _Lasting(io.TextIOBase):
    """A stream that may lose its reader (`| head`, a closed terminal): what takes a stack away must not stop for that."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._lasting():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._lasting():
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override] # a plain attribute there
        return self._stream.encoding

    @contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # By descriptor, so that what Python still holds back for the old reader goes the same way at exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class Screen:
    """Standard output for people. `plain` is forced when output is not a terminal or a program reads it."""

    def __init__(self, *, quiet: bool = False) -> None:
        stream = cast("IO[str]", _Lasting(sys.stderr if quiet else sys.stdout))
        self.console = Console(file=stream, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal

    def say(self, text: str, style: str = "") -> None:
        """One line. Text is shown as it is: brackets in it are not markup."""
        self.console.print(Text(text, style=style))

    def step(self, text: str, seconds: float) -> None:
        """A finished step with its time, aligned with the bootstrap's lines."""
        self.console.print(Text.assemble(("ok   ", "green"), f"{text:<62}", (f"{seconds:7.1f} s", "dim")))

    @contextmanager
    def working(self, doing: str) -> Iterator[Callable[[str], None]]:
        """Shows what is being done while it is, on a terminal; call what it gives with the parts that are under way."""
        if not self.live:
            yield lambda _: None
            return
        with self.console.status(Text(doing)) as status:
            yield lambda parts: status.update(Text(f"{doing}: {parts}" if parts else doing))

    @contextmanager
    def timed(self, doing: str, done: str) -> Iterator[Callable[[str], None]]:
        """A step: as `working`, and that it is done, with its time, when it ended well."""
        started = time.monotonic()
        with self.working(doing) as note:
            yield note
        self.step(done, time.monotonic() - started)

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
            now.plain = "\n".join([_line(status), *(_doing(each) for each in status.others)])

        yield show


def _plain_view(screen: Screen) -> Callable[[Status], None]:
    shown = {"block": -1, "at": time.monotonic()}

    def show(status: Status) -> None:
        due = time.monotonic() - shown["at"] > _PLAIN_EVERY_S
        if status.blocks_done != shown["block"] or due:
            shown["block"], shown["at"] = status.blocks_done, time.monotonic()
            counts = f"block {status.blocks_done}/{status.blocks}  trial {status.trials_done}/{status.trials}"
            screen.say(f"{counts}  {_clock(status.left_s)} left  {_line(status)}")
            for each in status.others:
                screen.say(f"  beside it: {_doing(each)}")

    return show


def _line(status: Status) -> str:
    # Failures first: on a narrow terminal the end of the line is cut.
    return f"{status.failed_ops} failed of {status.ops} ops  {_doing(status)}".rstrip()


def _doing(lane: Status | Activity) -> str:
    rate = f"{lane.ops_per_s:.0f} ops/s, {lane.bytes_per_s / 2**20:.1f} MiB/s" if lane.ops_per_s else ""
    return "  ".join(part for part in (lane.phase, lane.workload, lane.cell, rate) if part)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
