"""Going on with a run: only on what it began with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bench import store
from bench.errors import InputError
from bench.records import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.records import GeneratorHost, HostFacts, Target

_VOLATILE = ("driver_status",)
"""Facts that change by themselves: some drivers tell their free space there."""


def rejoin(folder: Path, targets: Sequence[Target], generators: Sequence[GeneratorHost] = ()) -> None:
    """Makes sure that the rest of a run would be measured on what the run began with, as read back now.

    Raises InputError for a stack that was made anew or changed, its load generators too: fresh disks and other engines in one
    comparison would be a lie. A block that is measured in two sittings is noted.
    """
    run, now = store.read(folder), {target.cell.name: target for target in targets}
    for was in run.targets:
        _insist_on(folder, was.cell.name, _difference(was, now.get(was.cell.name)))
    there = {host.name: host for host in generators}
    for host in run.generators:
        _insist_on(folder, host.name, _other_generator(host, there.pop(host.name, None)))
    for name in there:
        _insist_on(folder, name, "it was not there")
    done = {result.trial.index for result in store.results(folder)}
    torn = {trial.block for trial in run.schedule if trial.index in done} & {t.block for t in run.schedule if t.index not in done}
    for block in torn:
        text = f"block {block + 1} was measured in two sittings; its pairs are further apart in time than others"
        store.note(folder, Finding(check="run", level="warning", cell="", text=text, fix="judge that block's dots with care"))


def _insist_on(folder: Path, name: str, difference: str) -> None:
    if difference:
        raise InputError(
            f"{name} is not what this run began with: {difference}",
            where=str(folder),
            next_step=f"start a new run; what was measured is kept: cowbench report {folder}",
        )


def _difference(was: Target, now: Target | None) -> str:
    if now is None:
        return "it does not stand any more"
    if was.server.container_id != now.server.container_id:
        return "its container was made anew"
    return _changed(was.host, now.host)


def _other_generator(was: GeneratorHost, now: GeneratorHost | None) -> str:
    if now is None:
        return "it does not stand any more"
    if was.image_id != now.image_id:
        return "its container image is another one"
    return _changed(was.host, now.host)


def _changed(was: HostFacts, now: HostFacts) -> str:
    before, after = asdict(was), asdict(now)
    changed = [key for key in before if before[key] != after[key] and key not in _VOLATILE]
    return "; ".join(f"{key} was {before[key]}, is {after[key]}" for key in changed)
