"""What the parts of a cell said: the VM's console, its set-up, the engine, the server."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

import docker.errors

from bench.errors import DeployError, InputError
from stacks import connection, reach, state, sweep, user_data, vm_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.records import GeneratorHost, Target

Part = Literal["console", "setup", "engine", "server"]
PARTS: tuple[Part, ...] = get_args(Part)

_LIMIT_S = 60

_SILENT = (DeployError, docker.errors.DockerException, OSError)
"""An engine that cannot be asked; what `requests` raises is an OSError."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """The last lines of what one part said."""

    part: Part
    text: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A host of a stack as far as it is known: `container` is empty where no server runs, `reach` where nothing answers."""

    stack: str
    host: str
    engine_url: str = ""
    reach: tuple[str, ...] = ()
    container: str = ""


def place(stack: str, name: str, targets: Sequence[Target], generators: Sequence[GeneratorHost]) -> Place:
    """The host that is meant by the name of a cell or a host. Raises InputError naming those that there are."""
    for target in targets:
        if name in {target.cell.name, target.cell.host}:
            container = f"cowbench-{target.cell.name}"
            return Place(
                stack=stack, host=target.cell.host, engine_url=target.engine_url, reach=target.reach, container=container
            )
    for generator in generators:
        if name == generator.name:
            return Place(
                stack=stack, host=name, engine_url=generator.engine_url, reach=generator.reach, container="cowbench-load"
            )
    left = {host.host for host in sweep.hosts(stack)}
    if name in left:
        return Place(stack=stack, host=name)
    known = [target.cell.name for target in targets] + [generator.name for generator in generators] or sorted(left)
    raise InputError(
        f"stack {stack} has no cell or host {name}",
        where="logs",
        next_step=f"name one of {', '.join(known)}" if known else "nothing of this stack is left; cowbench up MATRIX",
    )


def read(where: Place, parts: Sequence[Part], lines: int) -> Iterator[Log]:
    """The last `lines` of each part that there is. A host that does not answer still has a console."""
    readers: Mapping[Part, Callable[[Place, int], str]] = {
        "console": _console,
        "setup": lambda place, count: _file(place, "up.log", count),
        "engine": lambda place, count: _file(place, "containerd.log", count) + _file(place, "dockerd.log", count),
        "server": _server,
    }
    for part in parts:
        if text := readers[part](where, lines).rstrip():
            yield Log(part=part, text=text)


def _console(where: Place, lines: int) -> str:
    return "\n".join(vm_process.console(state.host_dir(where.stack, where.host)).splitlines()[-lines:])


def _file(where: Place, name: str, lines: int) -> str:
    if not where.reach:
        return ""
    path = shlex.quote(f"{_root(where)}/{name}")
    done = reach.run(where.reach, f"if [ -e {path} ]; then tail -n {lines} {path}; fi", timeout_s=_LIMIT_S)
    return done.stdout if done.returncode == 0 else f"(the host does not answer: {done.stderr.strip()})"


def _root(where: Place) -> str | Path:
    return state.host_dir(where.stack, where.host) if where.reach == reach.HERE else user_data.ROOT


def _server(where: Place, lines: int) -> str:
    if not where.engine_url:
        return ""
    try:
        with connection.engine(where.engine_url, where.stack) as engine:
            return str(engine.containers.get(where.container).logs(tail=lines).decode(errors="replace"))
    except _SILENT as error:
        return f"(the engine does not answer: {error})"


def server_lines(target: Target, credentials: Mapping[str, tuple[str, str]]) -> tuple[tuple[float, str], ...] | None:
    """What is left of what the cell's server said: lines with their time (seconds since the epoch, of its host's clock).

    Keys are left out. None where nobody can tell: the engine does not answer, or the container is gone, or is another one.
    """
    try:
        with connection.engine(target.engine_url, target.credential) as engine:
            engine.api.timeout = _LIMIT_S
            container = engine.containers.get(f"cowbench-{target.cell.name}")
            if target.server.container_id not in {"", container.id}:
                return None
            said = str(container.logs(timestamps=True).decode(errors="replace"))
    except _SILENT:
        return None
    for key in filter(None, credentials.get(target.credential, ())):
        said = said.replace(key, "***")
    return tuple(filter(None, map(_timed, said.splitlines())))


def _timed(line: str) -> tuple[float, str] | None:
    """A line of the engine, taken apart; None of what is no line of the server, such as the engine's own trouble with its log."""
    at, _, text = line.partition(" ")
    try:
        return datetime.fromisoformat(at).timestamp(), text
    except ValueError:
        return None
