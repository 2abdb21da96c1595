"""The interface of an S3 server. Members live in `stacks.servers`, one value each, about the size of a compose file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


NOT_FLUSHED = "A write is acknowledged from the page cache: it is not flushed to the disk first."
"""The quirk of a server that does not flush before it answers: what it acknowledged last is lost with its host's power."""


@dataclass(frozen=True, kw_only=True)
class Credential:
    """One pair of S3 keys. Never printed: `repr` hides the secret."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Server:
    """An S3-compatible server as a value.

    `image` names a folder of `images/`; the container is started with `command(address, shift)`, `environment(credential)` and
    the files of `files(credential)` (path in the container → text, mode 0600). It listens on `port`, inside its host also on
    `other_ports`, each of them plus `shift`: cells that have no address of their own differ in it. It is ready when
    `ready_path` answers with a status below 500. `data_path` is the one directory that holds objects: in the writable layer, or
    on a volume.
    """

    name: str
    version: str
    image: str
    layout: str
    """How objects lie on disk, for the report: `one file per object`, `appended to volume files`, ..."""
    feels_driver: bool
    """True when an object is a file of its own, so that creates, lookups and inodes go through the storage driver."""
    port: int
    other_ports: tuple[int, ...] = ()
    data_path: str = "/data"
    ready_path: str = "/"
    command: Callable[[str, int], tuple[str, ...]]
    environment: Callable[[Credential], Mapping[str, str]]
    files: Callable[[Credential], Mapping[str, str]]
    quirks: tuple[str, ...] = ()
    """Deviations from AWS that a reader of the numbers should know, one sentence each."""
    flushes_before_answer: bool = False
    """Whether an acknowledged object is on the disk, as its documentation or source says; without, `quirks` has `NOT_FLUSHED`."""
