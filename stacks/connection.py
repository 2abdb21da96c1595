"""A connection to an engine, over a unix socket or SSH, closed again whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import docker

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 120
"""Longest wait for one answer of an engine; loading an image into a busy one takes a few seconds."""


@contextmanager
def engine(url: str) -> Iterator[docker.DockerClient]:
    """A client of the engine at `url` (`unix://…` or `ssh://…`)."""
    client = docker.DockerClient(base_url=url, timeout=TIMEOUT_S)
    try:
        yield client
    finally:
        client.close()
