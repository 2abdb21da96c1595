"""What a child on another host says, read over connections that may be lost: a thread follows the file of its replies.

What was said meanwhile is read after the next connect, from the byte where the last one ended. The same connection carries the
operator's heartbeat, so that the host knows for whom it works.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import threading
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from bench import reach
from bench.generator import porter, process

if TYPE_CHECKING:
    from collections.abc import Sequence

STALL_S: Final = 10.0
"""A connection on which nothing comes for so long is replaced: a child says each second that it is alive."""

HEARTBEAT_S: Final = 2.0

_CONNECT_S: Final = 30.0
_SLACK_S: Final = 15.0
"""Beyond the porter's own patience with a silent child: it ends the child and says so, unless it is gone itself."""

_SETTLE_S: Final = 3.0
"""What a new connection may take to bring what was said while there was none."""

_TICK_S: Final = 0.5


class SessionLost(Exception):  # noqa: N818 - reads as the event that it is
    """The conversation is over; `str()` is the verb of a sentence about the load generator."""


class Replies:
    """The lines of one session, in order, each once. `close` it in the end; use `next` from one thread at a time."""

    def __init__(self, host: Sequence[str], folder: str) -> None:
        self.connections = 0
        """How many were made so far: one where none was lost."""
        self._host, self._folder = tuple(host), shlex.quote(folder)
        self._queue: SimpleQueue[dict[str, Any] | SessionLost] = SimpleQueue()
        self._closed = threading.Event()
        self._read_bytes, self._spoke = 0, False
        self._heard_s = self._reached_s = monotonic()
        self._thread = threading.Thread(target=self._follow, name="replies", daemon=True)
        self._thread.start()

    def next(self) -> dict[str, Any]:
        """The next line that is not only a sign of life. Raises SessionLost, always within a bounded time."""
        message = self._queue.get()
        if isinstance(message, SessionLost):
            self._queue.put(message)
            raise message
        return message

    def abandon(self) -> None:
        """Ends the wait of `next`, from any thread."""
        self._queue.put(SessionLost("was abandoned"))

    def close(self) -> None:
        """Ends the connection and the thread."""
        self._closed.set()
        self._thread.join()

    def _follow(self) -> None:
        pauses = reach.pauses()
        try:
            while not self._closed.is_set():
                before = self.connections
                self._connect()
                if self.connections > before:
                    pauses = reach.pauses()
                self._insist_on_contact()
                self._closed.wait(next(pauses))
        except SessionLost as lost:
            self._queue.put(lost)
        except reach.Refused as refused:
            self._queue.put(SessionLost(f"cannot be reached ({refused})"))
        except BaseException as error:  # noqa: BLE001 - whatever ends this thread, the one that waits in `next` must hear of it
            self._queue.put(SessionLost(f"could not be followed any more ({type(error).__name__}: {error})"))

    def _insist_on_contact(self) -> None:
        if monotonic() - self._reached_s > reach.LOST_S:
            raise SessionLost(f"could not be reached for {reach.LOST_S:.0f} s")

    def _connect(self) -> None:
        """One connection, to its end. Raises SessionLost for what another one would not cure."""
        connection = reach.start(self._host, self._command())
        try:
            self._read(connection)
        finally:
            reach.stop(connection)

    def _command(self) -> str:
        # The end of our input is the end of the connection, also over there: then nothing may be left running.
        return (
            f"cd {self._folder} && wc -c < replies.jsonl && "
            f"{{ tail --pid=$$ -c +{self._read_bytes + 1} -f replies.jsonl & cat >> heartbeat; kill $!; }}"
        )

    def _read(self, connection: subprocess.Popen[bytes]) -> None:
        assert connection.stdout is not None
        pipe, began_s, beat_s = connection.stdout.fileno(), monotonic(), 0.0
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        first, unread = True, b""
        while not self._closed.is_set():
            if monotonic() - beat_s > HEARTBEAT_S:
                beat_s = monotonic()
                if not _beat(connection):
                    return
            if poll.poll(1000 * _TICK_S):
                piece = os.read(pipe, 1 << 16)
                if not piece:
                    self._insist_on_a_session(connection, first=first)
                    return
                unread += piece
                if first and b"\n" in unread:
                    first, began_s = False, monotonic()
                    _, _, unread = unread.partition(b"\n")
                    self.connections += 1
                    self._reached_s = began_s
                if not first:
                    unread = self._take(unread)
            elif self._is_stale(began_s, first=first):
                return

    def _take(self, unread: bytes) -> bytes:
        """Hands on the whole lines; what is left of the last one comes again after a reconnect."""
        *lines, rest = unread.split(b"\n")
        for line in lines:
            self._read_bytes += len(line) + 1
            self._heard_s = self._reached_s = monotonic()
            message = _message(line)
            self._spoke = self._spoke or "event" in message
            if message.get("event") == "ended":
                raise SessionLost(str(message["how"]))
            if message and message["event"] != "alive":
                self._queue.put(message)
        return rest

    def _is_stale(self, began_s: float, *, first: bool) -> bool:
        """Whether the connection is worth another one. Raises SessionLost where it is the session that is silent."""
        now = monotonic()
        if first:
            return now - began_s > _CONNECT_S
        patience_s = (process.SILENCE_S if self._spoke else porter.BEGIN_S) + _SLACK_S
        if now - self._heard_s > patience_s and now - began_s > _SETTLE_S:
            raise SessionLost(f"said nothing for {patience_s:.0f} s; its container may have ended")
        # One that has not spoken yet loads its modules.
        return now - max(self._heard_s, began_s) > (STALL_S if self._spoke else _CONNECT_S)

    def _insist_on_a_session(self, connection: subprocess.Popen[bytes], *, first: bool) -> None:
        with suppress(subprocess.TimeoutExpired):
            status = connection.wait(_SETTLE_S)
            if first and status and reach.answered(status):
                raise SessionLost(f"has lost the folder of this run (status {status})")


def _beat(connection: subprocess.Popen[bytes]) -> bool:
    """Whether the connection still takes a sign of life."""
    try:
        assert connection.stdin is not None
        connection.stdin.write(b".")
        connection.stdin.flush()
    except OSError:
        return False
    return True


def _message(line: bytes) -> dict[str, Any]:
    """Nothing for a line that was torn when the child was killed."""
    with suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict) and "event" in message:
            return message
    return {}
