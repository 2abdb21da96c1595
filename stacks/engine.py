"""The interface of an engine source: where Docker comes from on a host. Members live in `stacks.engines`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_AN_ENGINE = ("docker", "containerd", "runc")
"""Facts of `bench.knowledge` that the engine's packages decide, not the distribution."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """An engine pinned for one distribution.

    `suite` is where in the archive its packages lie, `packages` are they as the distribution's package manager takes them, with
    their versions. `facts` is what is known with them (`bench.knowledge`).
    """

    suite: str
    packages: tuple[str, ...]
    facts: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A way to get a Docker engine. `packages` are Debian package names, `binaries` what must be on PATH afterwards.

    `archive` is the address of a package archive of its makers, empty for the distribution's own; what it has is in `releases`,
    by distribution as `ID:VERSION_ID` of /etc/os-release has it, up to the first dot but on Ubuntu.
    """

    name: str
    packages: tuple[str, ...]
    binaries: tuple[str, ...]
    archive: str = ""
    releases: Mapping[str, Release] = field(default_factory=dict)


def facts(engine: Engine, host: Mapping[str, object]) -> dict[str, object]:
    """The facts of a host with this engine on it: a pinned release replaces what its distribution would bring."""
    if not engine.archive:
        return dict(host)
    release = engine.releases.get(str(host.get("distro")))
    known = {name: value for name, value in host.items() if name not in OF_AN_ENGINE}
    return {**known, **(release.facts if release else {})}


def lacking(engine: Engine, host: Mapping[str, object]) -> str:
    """Why a host with these facts cannot be given the engine, or empty: also where the distribution is not known."""
    if engine.archive and "distro" in host and str(host["distro"]) not in engine.releases:
        return f"{engine.name} pins no packages for {host['distro']}; it has them for {', '.join(engine.releases)}"
    if not engine.archive and host.get("docker", "") is None:
        return f"{host.get('distro', 'this distribution')} packages no Docker engine of its own"
    return ""
