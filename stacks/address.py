"""A loopback address of its own for each local cell, so that every server keeps its usual ports and none meets another.

All of 127.0.0.0/8 is this machine. A reservation is a file in the host's directory: it goes when the host goes, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.errors import DeployError
from stacks import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_NETWORK = ipaddress.ip_network("127.77.0.0/16")
_TRIES = 256


def reserve(*, stack: str, host: str, cell: str, ports: Iterable[int]) -> str:
    """An address on which all `ports` are free, kept for the cell until `release`. Raises DeployError when none is found."""
    wanted = tuple(ports)
    note = _note(stack, host, cell)
    with _one_at_a_time():
        taken = {path.read_text() for path in state.hosts().glob("*/*/addresses/*")}
        for candidate in _candidates(f"{state.root()}/{stack}/{cell}"):
            if candidate not in taken and all(_is_free(candidate, port) for port in wanted):
                note.parent.mkdir(parents=True, exist_ok=True)
                note.write_text(candidate)
                return candidate
    raise DeployError(
        f"no free port: tried {_TRIES} loopback addresses, and on each one of {', '.join(map(str, wanted))} is taken",
        where=f"cell {cell}",
        next_step="something listens on all addresses (0.0.0.0) at one of these ports; find it with: ss -ltnp",
    )


def release(*, stack: str, host: str, cell: str) -> None:
    """Give the address back; fine when it was never reserved."""
    _note(stack, host, cell).unlink(missing_ok=True)


def _note(stack: str, host: str, cell: str) -> Path:
    return state.host_dir(stack, host) / "addresses" / cell


def _candidates(seed: str) -> Iterator[str]:
    """The same cell gets the same address again where it can: it makes logs and packet captures comparable."""
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
    size = _NETWORK.num_addresses
    for step in range(_TRIES):
        yield str(_NETWORK[1 + (start + step * 257) % (size - 2)])


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # Without this a port in TIME_WAIT would look taken, which no server minds.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    state.root().mkdir(parents=True, exist_ok=True)
    with (state.root() / "addresses.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
