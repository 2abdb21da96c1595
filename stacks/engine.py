"""The interface of an engine source: where Docker comes from on a host. Members live in `stacks.engines`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A way to get a Docker engine. `packages` are Debian package names, `binaries` what must be on PATH afterwards."""

    name: str
    packages: tuple[str, ...]
    binaries: tuple[str, ...]
