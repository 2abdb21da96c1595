"""Ctrl-C, a polite kill and a closed terminal: work ends tidily, and what takes things away is not stopped half-way."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.terminal import Screen

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupting() -> Iterator[None]:
    """SIGTERM and a closed terminal end the work as Ctrl-C does: tidily, and once. What is ignored (nohup) stays ignored."""

    def stop(_number: int, _frame: object) -> None:
        # An impatient second one must not hit what takes things away, before that is ready to answer.
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted", next_step="run it again") from None
    except Interrupted:
        raise
    except BaseException:
        _restore(before)
        raise
    else:
        _restore(before)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextmanager
def answering(screen: Screen) -> Iterator[None]:
    """While things are taken away an impatient Ctrl-C is answered, not obeyed: stopping here is what leaves things behind."""

    def answer(_number: int, _frame: object) -> None:
        screen.say(
            "taking the stack away; this ends by itself in a few seconds (kill -9 leaves work for: cowbench sweep)", "yellow"
        )

    before = {number: signal.signal(number, answer) for number in _SIGNALS}
    try:
        yield
    finally:
        _restore(before)
