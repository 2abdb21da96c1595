"""What this machine can run, and why not the rest: the local cloud's needs, then every driver on every filesystem it takes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from bench.records import Cell
from stacks import clouds, drivers, plan, servers, workspace


@dataclass(frozen=True, kw_only=True)
class Ability:
    """One thing and whether it works here; `reason` and `fix` are empty when it does."""

    kind: str
    name: str
    works: bool
    reason: str
    fix: str


def examine() -> tuple[Ability, ...]:
    """Nothing is created or changed. Tools and clouds first, then storage drivers on their filesystems."""
    return (*_tools(), *_clouds(), *_drivers())


def _tools() -> list[Ability]:
    bundled = workspace.bundled_cli()
    cli = str(bundled) if bundled else shutil.which("pulumi")
    fix = "" if cli else "run: make setup"
    return [Ability(kind="tool", name="pulumi", works=cli is not None, reason=cli or "not on PATH and not in the cache", fix=fix)]


def _clouds() -> list[Ability]:
    found = []
    for name in clouds.CLOUDS:
        problems = clouds.load(name).problems()
        for problem in problems:
            reason, _, fix = problem.partition(": ")
            found.append(Ability(kind="cloud", name=name, works=False, reason=reason, fix=fix))
        if not problems:
            found.append(Ability(kind="cloud", name=name, works=True, reason=clouds.load(name).ready(), fix=""))
    return found


def _drivers() -> list[Ability]:
    return [_driver(name, filesystem) for name in drivers.DRIVERS for filesystem in drivers.load(name).backing_filesystems]


def _driver(name: str, filesystem: str) -> Ability:
    verdict = plan.hindrance(_cell(name, filesystem))
    return Ability(
        kind="driver",
        name=f"{name} on {filesystem}",
        works=verdict is None,
        reason="" if verdict is None else verdict.reason,
        fix="" if verdict is None else verdict.fix,
    )


def _cell(driver: str, filesystem: str) -> Cell:
    cloud = clouds.load("local")
    return Cell(
        name=f"{driver}-{filesystem}",
        host=f"{driver}-{filesystem}",
        cloud=cloud.name,
        region="here",
        instance_type="this-host",
        disk=cloud.default_disk,
        machine_image="this-host",
        engine="distribution",
        driver=driver,
        backing_filesystem=filesystem,
        server=servers.SERVERS[0],
        data_placement="writable_layer",
    )
