"""The main process of a load generator's host, `python -m bench.generator.porter FOLDER`: it runs children for an operator afar.

A conversation is a folder of files, so nothing of it depends on any connection. The operator makes `<folder>/<sitting>.<role>/`:

    hello.part       what was received of the hello so far; removed here if it never becomes whole
    hello.json       what the child begins with, and the keys; mode 0600, gone as soon as it is read
    requests.jsonl   one numbered request a line, appended by the operator; a line that is torn or came before is passed over
    replies.jsonl    the child's own lines, and `{"event": "ended", "how": ...}` from the porter when there is no child any more
    heartbeat        grows while the operator is there
    samples/         the child's parts
    generator.log    what the child logs
    begun            there is, or was, a child
    end              appears when the operator is done

A new sitting ends the one before: a host drives the load of one run at a time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bench.generator import process

if TYPE_CHECKING:
    from collections.abc import Iterator

TICK_S: Final = 0.1
"""Between two looks: a few file attributes each, so that measuring does not feel it."""

BEGIN_S: Final = 180.0
"""Until a child's first line: its imports take two seconds, and a minute on an emulated host that just booted."""

GREETING_S: Final = 300.0
"""An operator gives up a greeting after `bench.reach.LOST_S`: what is not whole by now was left by one who is gone."""

ALONE_S: Final = 600.0
"""Without a sign of the operator for so long, a child is ended: nothing may run for ever because a laptop was closed."""


@dataclass(kw_only=True)
class Session:
    """A child and how far the conversation with it came. Times are of the monotonic clock: a host's own clock may jump."""

    folder: Path
    child: subprocess.Popen[bytes]
    unsent: bytes
    read_bytes: int = 0
    torn: bytes = b""
    number: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)

    @property
    def sitting(self) -> str:
        """What all sessions of one generator share, over all hosts."""
        return self.folder.name.partition(".")[0]


def serve(work: Path) -> NoReturn:
    """Answers for ever. Children end with the thread that calls this."""
    sessions: dict[str, Session] = {}
    torn: dict[Path, float] = {}
    for folder in _folders(work):
        # Of a porter before us: its children ended with it. What has not begun is just being made.
        if (folder / "begun").exists():
            _say_ended(folder, "was ended: its container was started anew")
    try:
        while True:
            for folder in _folders(work):
                if (folder / "hello.json").exists():
                    _admit(folder, sessions)
            torn = _drop_torn(work, torn)
            for name, session in list(sessions.items()):
                if how := _step(session):
                    _end(session, how)
                    del sessions[name]
            time.sleep(TICK_S)
    finally:
        for session in sessions.values():
            _end(session, "was ended: its container was stopped")


def _folders(work: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(path for path in work.iterdir() if path.is_dir())


def _drop_torn(work: Path, since_s: dict[Path, float]) -> dict[Path, float]:
    """Removes greetings that are never going to be whole: keys are in them. Which there are, and since when we know."""
    now = time.monotonic()
    found = {path: since_s.get(path, now) for path in (folder / "hello.part" for folder in _folders(work)) if path.exists()}
    for path, first_s in found.items():
        if now - first_s > GREETING_S:
            with suppress(OSError):
                path.unlink()
    return found


def _admit(folder: Path, sessions: dict[str, Session]) -> None:
    """Begins the session whose hello lies there, after what it takes the place of has ended."""
    hello = _take_hello(folder)
    if hello is None or folder.name in sessions:
        return
    sitting = folder.name.partition(".")[0]
    for name in [name for name, each in sessions.items() if each.sitting != sitting]:
        _end(sessions.pop(name), "was ended: another run took its place")
    for other in _folders(folder.parent):
        if other.name.partition(".")[0] != sitting:
            # Whoever still had a use for it has fetched it: the newest sitting is the operator's.
            shutil.rmtree(other, ignore_errors=True)
    sessions[folder.name] = _begin(folder, hello)


def _take_hello(folder: Path) -> dict[str, Any] | None:
    """The hello, off the disk: the keys are in it."""
    path = folder / "hello.json"
    try:
        hello: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    finally:
        path.unlink(missing_ok=True)
    return hello


def _begin(folder: Path, hello: dict[str, Any]) -> Session:
    credentials = hello.pop("credentials", {})
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "begun").touch()
    with (folder / "replies.jsonl").open("ab") as replies, (folder / "generator.log").open("ab") as log:
        # Its lines go straight into the file, without us: nobody reads too slowly for it.
        child = subprocess.Popen(
            process.COMMAND, stdin=subprocess.PIPE, stdout=replies, stderr=log, env=process.environment(credentials)
        )
    assert child.stdin is not None
    os.set_blocking(child.stdin.fileno(), False)
    line = json.dumps({**hello, "samples": str((folder / "samples").resolve())}).encode() + b"\n"
    return Session(folder=folder, child=child, unsent=line)


def _step(session: Session) -> str:
    """Hands on what came in. The reason why the session is over, as the verb of a sentence, or nothing."""
    _read_requests(session)
    _send(session)
    if (status := session.child.poll()) is not None:
        return process.how_it_ended(status)
    if (session.folder / "end").exists() or not session.folder.exists():
        return "was ended: its operator is done"
    if _unchanged_s(session, "heartbeat") > ALONE_S:
        return f"was ended: nothing was heard of its operator for {ALONE_S:.0f} s"
    silent_s = process.SILENCE_S if session.sizes.get("replies.jsonl") else BEGIN_S
    if _unchanged_s(session, "replies.jsonl") > silent_s:
        return f"said nothing for {silent_s:.0f} s and was killed"
    return ""


def _read_requests(session: Session) -> None:
    with suppress(OSError), (session.folder / "requests.jsonl").open("rb") as file:
        file.seek(session.read_bytes)
        new = file.read()
        session.read_bytes += len(new)
        *lines, session.torn = (session.torn + new).split(b"\n")
        for line in lines:
            number = _number(line)
            if number > session.number:
                session.number = number
                session.unsent += line + b"\n"


def _number(line: bytes) -> int:
    """A request's number, 0 for what is none: a line that was torn with its connection is no JSON."""
    with suppress(ValueError, TypeError, KeyError):
        return int(json.loads(line)["number"])
    return 0


def _send(session: Session) -> None:
    """As much as the child's pipe takes just now."""
    if session.unsent and session.child.stdin:
        with suppress(BlockingIOError, BrokenPipeError):
            taken = os.write(session.child.stdin.fileno(), session.unsent)
            session.unsent = session.unsent[taken:]


def _unchanged_s(session: Session, name: str) -> float:
    """For how long the file has kept its size."""
    now = time.monotonic()
    try:
        size = (session.folder / name).stat().st_size
    except OSError:
        size = 0
    if session.sizes.get(name) != size or name not in session.changed:
        session.sizes[name], session.changed[name] = size, now
    return now - session.changed[name]


def _end(session: Session, how: str) -> None:
    """Leaves no child, and says so where the operator reads."""
    child = session.child
    if child.stdin:
        with suppress(OSError):
            child.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        child.wait(process.FAREWELL_S)
    child.kill()
    child.wait()
    _say_ended(session.folder, how)


def _say_ended(folder: Path, how: str) -> None:
    with suppress(OSError), (folder / "replies.jsonl").open("ab") as replies:
        # On a line of its own, also after one that was torn when the child was killed.
        replies.write(b"\n" + json.dumps({"event": "ended", "how": how}).encode() + b"\n")


def _stop(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    # As a container's first process we get no signal that we do not ask for.
    signal.signal(signal.SIGTERM, _stop)
    serve(Path(sys.argv[1]))
