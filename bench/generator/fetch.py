"""Parts of samples from a generator's host into the run folder: whole and as they were written, or not at all."""

from __future__ import annotations

import hashlib
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench import reach
from bench.generator import durable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TRIES: Final = 3
_LOG_BYTES: Final = 1 << 20
"""Of a generator's log, its end: what a reader can use."""

_FAREWELL_S: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part on another host: its name, the SHA-256 of its bytes, and where it lies."""

    name: str
    sha256: str
    host: tuple[str, ...]
    folder: str


class PartLost(Exception):  # noqa: N818 - reads as the event that it is
    """A part could not be had; `str()` is a sentence, and another one with what to do next."""


def fetch(part: Part, samples: Path) -> None:
    """Brings the part into `samples`, and removes it over there once it is on the disk here.

    Raises PartLost, and OSError where it cannot be written here.
    """
    path = samples / part.name
    partial = path.with_name(part.name + ".partial")
    source = f"{shlex.quote(part.folder)}/samples/{shlex.quote(part.name)}"
    for _ in range(_TRIES):
        whole = _read(part, f"cat {source}")
        if hashlib.sha256(whole).hexdigest() == part.sha256:
            partial.write_bytes(whole)
            durable.flush(samples, [partial.name])
            partial.rename(path)
            durable.flush(samples, [])
            with suppress(reach.Unreachable, reach.Refused):
                # What stays goes with the whole folder at the latest.
                reach.call(part.host, f"rm -f {source}", timeout_s=_FAREWELL_S)
            return
    raise PartLost(f"part {part.name} came in damaged {_TRIES} times. See whether the disk it lies on is well: {part.folder}.")


def append_log(host: Sequence[str], folder: str, log: Path) -> None:
    """Adds what the generator logged over there; a host that cannot be asked just now is not waited for."""
    with suppress(reach.Unreachable, reach.Refused):
        command = f"tail -c {_LOG_BYTES} {shlex.quote(folder)}/generator.log"
        said = reach.call(host, command, timeout_s=_FAREWELL_S)
        if said:
            with log.open("ab") as file:
                file.write(said)


def _read(part: Part, command: str) -> bytes:
    try:
        return reach.persist(part.host, command)
    except reach.Unreachable as error:
        told = f"part {part.name} could not be fetched within {reach.LOST_S:.0f} s ({error})"
        raise PartLost(f"{told}. See whether the host runs and can be reached, then measure again.") from None
    except reach.Refused as error:
        told = f"part {part.name} could not be fetched ({error})"
        raise PartLost(f"{told}. See whether the host was started anew or its disk is full, then measure again.") from None
