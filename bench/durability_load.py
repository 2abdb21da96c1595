"""The power loss itself: users put objects, the plug is pulled while they do, and everything that was sent is read back."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from secrets import randbits, token_hex
from typing import TYPE_CHECKING, Protocol

from bench.content import Content
from bench.durability import Put, Reading, Times, judge
from bench.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.client import Client
    from bench.durability import Durability, Subject

LARGEST_BYTES = 16 << 20
"""Each user holds one object in memory when it is read back."""

_PAUSE_AFTER_FAILURE_S = 0.2
_READINGS = 6
_PAUSE_BETWEEN_READINGS_S = 5.0
"""A server that has just been started may not know all of its data yet: what is not intact is looked at again, half a minute."""

_FIRST = "first"
_ROOM_S = 2.0
"""A server may go on making room after its first answer: SeaweedFS makes seven volumes, one after the other."""

_PAGE = 1000
"""Keys in one request: what S3 allows of deletes and listings."""


class Power(Protocol):
    """What can be done to the host of the server; each raises DeployError when it cannot be."""

    def flush(self) -> None:
        """Has the host write everything that it holds in memory to its disks; ends when it has."""

    def cut(self) -> None:
        """Ends the host at once."""

    def restore(self) -> None:
        """Brings the host back, as its disks are; ends when the server answers again."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`seconds` of load before the cut. With `flush_first` the host flushes just before it: all that is older must be safe."""

    seconds: float
    flush_first: bool


@dataclass(frozen=True, kw_only=True)
class _Load:
    """What the users share. The list only grows, and its `append` is safe from any thread.

    Once the power is being cut a failure ends a user; when it is `over` any op does.
    """

    client: Client
    bucket: str
    content: Content
    size_bytes: int
    cutting: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    ledger: list[Put] = field(default_factory=list)


def measure(client: Client, subject: Subject, plan: Plan, power: Power, tell: Callable[[str], None]) -> Durability:
    """Put objects, pull the plug, restore, read back. Raises DeployError when nothing was acknowledged: that proves nothing."""
    load = _Load(
        client=client,
        bucket=f"durability-{token_hex(4)}",
        # Other bytes each time: a disk that still has those of a trial before must not look as if it had kept ours.
        content=Content(randbits(32), subject.size_bytes),
        size_bytes=subject.size_bytes,
    )
    made = client.make_bucket(load.bucket)
    if made.failure is not None:
        raise DeployError(f"the server made no bucket ({made.failure})", where=subject.cell, next_step="cowbench check")
    # What is at stake are objects: a bucket, or what a server keeps objects in, made a second ago would take all of them with it.
    # One power loss of many left SeaweedFS with volumes that had no header yet, and then it does not start at all.
    _make_room(load)
    power.flush()
    tell(f"{subject.users} users put objects for {plan.seconds:g} s")
    times = _load_and_cut(load, subject, plan, power, tell)
    power.restore()
    times = replace(times, back_ns=time.monotonic_ns())
    tell(f"reading {len(load.ledger)} objects back")
    readings = _read_back(load, subject.users)
    _clean_up(load)
    return judge(subject, load.ledger, readings, times)


def _make_room(load: _Load) -> None:
    """Have the server make what it makes at the first write of a bucket. A failure is told by the load itself."""
    load.client.put(load.bucket, _FIRST, _body(load, _FIRST))
    time.sleep(_ROOM_S)
    load.client.delete_many(load.bucket, [_FIRST])


def _load_and_cut(load: _Load, subject: Subject, plan: Plan, power: Power, tell: Callable[[str], None]) -> Times:
    began_ns, flush_ns = time.monotonic_ns(), None
    with _users(load, subject.users):
        time.sleep(plan.seconds)
        if not any(put.acknowledged_ns for put in load.ledger):
            raise DeployError(
                f"nothing was acknowledged within {plan.seconds:g} s, so there is nothing to lose; the power was not cut",
                where=subject.cell,
                next_step="see whether the server answers (cowbench check), or give it longer with --seconds",
            )
        if plan.flush_first:
            flush_ns = time.monotonic_ns()
            power.flush()
        load.cutting.set()
        cut_ns = time.monotonic_ns()
        power.cut()
    tell("power cut; restoring it and waiting for the server")
    return Times(began_ns=began_ns, flush_ns=flush_ns, cut_ns=cut_ns, back_ns=cut_ns)


@contextmanager
def _users(load: _Load, number: int) -> Iterator[None]:
    """Users who put one object after the other until this ends; each ends with the op that it has under way."""
    with ThreadPoolExecutor(max_workers=number) as pool:
        users = [pool.submit(_put_until_over, load, f"user{user}") for user in range(number)]
        try:
            yield
        finally:
            load.over.set()
    for user in users:
        user.result()


def _put_until_over(load: _Load, user: str) -> None:
    for number in count():
        if load.over.is_set():
            return
        key = f"{user}/{number:06d}"
        body = _body(load, key)
        put = Put(key=key, size_bytes=load.size_bytes, sha256=hashlib.sha256(body).hexdigest(), acknowledged_ns=None)
        outcome = load.client.put(load.bucket, key, body)
        now_ns = time.monotonic_ns()
        # What was answered with an error may be stored all the same: it stays in doubt.
        load.ledger.append(put if outcome.failure else replace(put, acknowledged_ns=now_ns))
        if outcome.failure and load.cutting.is_set():
            return
        if outcome.failure:
            load.over.wait(_PAUSE_AFTER_FAILURE_S)


def _body(load: _Load, key: str) -> memoryview:
    body = load.content.body(key, load.size_bytes)
    assert isinstance(body, memoryview), f"objects are at most {LARGEST_BYTES} bytes"
    return body


def _read_back(load: _Load, users: int) -> dict[str, Reading]:
    """Every object of the ledger. What a fresh server cannot give is asked for again, until it gives the same answer for long."""
    readings: dict[str, Reading] = {}
    pending = list(load.ledger)
    with ThreadPoolExecutor(max_workers=users) as pool:
        for attempt in range(_READINGS):
            readings.update(zip((put.key for put in pending), pool.map(lambda put: _read(load, put), pending), strict=True))
            pending = [put for put in pending if readings[put.key].fate != "intact"]
            if not pending:
                break
            # A server that is still reading its own index says "not found" of what it has: no fate but "intact" is final early.
            if attempt < _READINGS - 1:
                time.sleep(_PAUSE_BETWEEN_READINGS_S)
    listed = _listed(load)
    return {key: replace(reading, listed=key in listed) for key, reading in readings.items()}


def _read(load: _Load, put: Put) -> Reading:
    buffer = bytearray(put.size_bytes)
    outcome = load.client.get(load.bucket, put.key, buffer)
    if outcome.failure is not None:
        return Reading(fate="lost" if outcome.failure.kind == "not_found" else "unreadable", detail=str(outcome.failure))
    if outcome.bytes != put.size_bytes:
        return Reading(fate="wrong", detail=f"{outcome.bytes} bytes instead of {put.size_bytes}")
    if hashlib.sha256(buffer).hexdigest() != put.sha256:
        return Reading(fate="wrong", detail=_difference(bytes(buffer), bytes(_body(load, put.key))))
    return Reading(fate="intact")


def _difference(found: bytes, stored: bytes) -> str:
    """Where the first difference is, and whether zeros follow: those are blocks that were allocated and never written."""
    first = next(at for at, (one, other) in enumerate(zip(found, stored, strict=True)) if one != other)
    zeros = not any(found[first:])
    return f"zeros from byte {first} on" if zeros else f"other bytes from byte {first} on"


def _listed(load: _Load) -> set[str]:
    """Keys that the bucket lists; as far as it could be listed."""
    keys: set[str] = set()
    after = ""
    while True:
        page = load.client.list_page(load.bucket, "", after, _PAGE)
        keys.update(key for key, _ in page.entries)
        if page.outcome.failure is not None or not page.more or not page.entries:
            return keys
        after = page.entries[-1][0]


def _clean_up(load: _Load) -> None:
    """As far as the server lets us: the result is there already, and the stack goes with all its disks."""
    keys = [put.key for put in load.ledger]
    for start in range(0, len(keys), _PAGE):
        load.client.delete_many(load.bucket, keys[start : start + _PAGE])
    load.client.remove_bucket(load.bucket)
