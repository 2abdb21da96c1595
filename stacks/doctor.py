"""What this machine can run, and why not the rest: the local cloud's needs, then every driver on every filesystem it takes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import DeployError
from bench.records import Cell
from stacks import account_sweep, axes, clouds, drivers, plan, servers, workspace

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """One line for each account: what it lacks mostly means that nobody wants to use it."""
    found = []
    for name in clouds.CLOUDS:
        cloud = clouds.load(name)
        problems = [problem.partition(": ") for problem in cloud.problems()]
        if cloud.features.needs_account and problems:
            problems = [("; ".join(what for what, _, _ in problems), ": ", "; ".join(fix for _, _, fix in problems))]
        found += [Ability(kind="cloud", name=name, works=False, reason=reason, fix=fix) for reason, _, fix in problems]
        if not problems:
            found.append(Ability(kind="cloud", name=name, works=True, reason=cloud.ready(), fix=""))
    return found


def examine_account(name: str) -> tuple[Ability, ...]:
    """Whether a cloud's account can be used: its SDK and credentials, and then, over the network, what it answers.

    Nothing is created. Raises InputError for a cloud that has no account.
    """
    account, cloud = account_sweep.account_of(name), clouds.load(name)
    if problems := cloud.problems():
        told = [problem.partition(": ") for problem in problems]
        return tuple(Ability(kind="cloud", name=name, works=False, reason=what, fix=fix) for what, _, fix in told)
    region = axes.usual(name, "")["region"]
    asked: tuple[tuple[str, Callable[[], str]], ...] = (
        ("zones", lambda: f"{region} answers; zones: {', '.join(account.zones(region)) or 'it has none'}"),
        ("types", lambda: f"{len(account.instance_types(region))} instance types in {region}"),
        ("images", lambda: f"{account.images[0]} in {region} is {account.image_id(region, account.images[0])}"),
        ("labels", lambda: f"{len(account.belongings((region,)))} things in {region} carry Cowbench's labels"),
    )
    ready = Ability(kind="cloud", name=name, works=True, reason=cloud.ready(), fix="")
    return (ready, *(_answer(f"{name} {what}", ask) for what, ask in asked))


def _answer(name: str, ask: Callable[[], str]) -> Ability:
    try:
        return Ability(kind="cloud", name=name, works=True, reason=ask(), fix="")
    except DeployError as error:
        return Ability(kind="cloud", name=name, works=False, reason=error.what, fix=error.next_step)


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
