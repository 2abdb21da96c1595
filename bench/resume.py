"""Going on with a run: only on what it began with."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench import store
from bench.campaign import without_samples
from bench.errors import InputError
from bench.records import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.errors import CowbenchError
    from bench.records import GeneratorHost, HostFacts, Run, Target, Trial

_VOLATILE = ("driver_status", "boot_id")
"""Facts that may change: some drivers tell their free space there, and a host that was booted anew still has its disk."""


def rejoin(
    folder: Path,
    targets: Sequence[Target],
    generators: Sequence[GeneratorHost] = (),
    silent: Mapping[str, CowbenchError] = MappingProxyType({}),
) -> None:
    """Makes sure that the rest of a run would be measured on what the run began with, as read back now.

    Raises InputError for a stack that was made anew or changed, its load generators too: fresh disks and other engines in one
    comparison would be a lie. What was only restarted is noted, and so is a block that is measured in two sittings.

    Cells in `silent` cannot be measured, for the reason there: what is left of them is given up, the others go on. Raises that
    reason where it is all of the run's cells.
    """
    run, now = store.read(folder), {target.cell.name: target for target in targets}
    answering = [target for target in run.targets if target.cell.name not in silent]
    if not answering:
        raise silent[run.targets[0].cell.name]
    for was in answering:
        _insist_on(folder, was.cell.name, _difference(was, now.get(was.cell.name)))
    _insist_on_generators(folder, run, answering, generators)
    _note_restarts(folder, run, now)
    done = {result.trial.index for result in store.results(folder)}
    rest = [trial for trial in run.schedule if trial.index not in done]
    for cell, error in silent.items():
        _give_up(folder, [trial for trial in rest if trial.cell == cell], error)
    torn = {trial.block for trial in run.schedule if trial.index in done} & {t.block for t in rest if t.cell not in silent}
    for block in torn:
        text = f"block {block + 1} was measured in two sittings; its pairs are further apart in time than others"
        store.note(folder, Finding(check="run", level="warning", cell="", text=text, fix="judge that block's dots with care"))


def _insist_on_generators(folder: Path, run: Run, answering: Sequence[Target], generators: Sequence[GeneratorHost]) -> None:
    """Those of the places where something is left to measure must be the same."""
    places = {(target.cell.cloud, target.cell.region) for target in answering}
    there = {host.name: host for host in generators if (host.cloud, host.region) in places}
    for host in run.generators:
        if (host.cloud, host.region) in places:
            _insist_on(folder, host.name, _other_generator(host, there.pop(host.name, None)))
    for name in there:
        _insist_on(folder, name, "it was not there")


def _give_up(folder: Path, rest: Sequence[Trial], error: CowbenchError) -> None:
    """Trials of a cell that cannot be measured become results without samples."""
    if not rest:
        return
    problem = f"not measured: {error.where} was silent when the run was resumed ({' '.join(error.what.split())})"
    text = f"given up with {len(rest)} trials left, {problem}"
    fix = "start a new run, on a stack that stands whole; what was measured is kept"
    # What a killed run left is looked at first: the next result is written over a torn line.
    finding = Finding(check="deploy", level="error", cell=rest[0].cell, text=text, fix=fix)
    store.note(folder, *store.discard_partial(folder), finding)
    for trial in rest:
        store.append(folder, without_samples(trial, problem))


def _note_restarts(folder: Path, run: Run, now: Mapping[str, Target]) -> None:
    """Says what was restarted since, and from here on holds the rest of the run to what stands now."""
    for was in run.targets:
        for text in _restarted(was, now.get(was.cell.name, was)):
            fix = "nothing, if you restarted it; its first trials after that met a cold cache, so judge their dots with care"
            store.note(folder, Finding(check="run", level="warning", cell=was.cell.name, text=text, fix=fix))
    store.update(
        folder, replace(store.read(folder), targets=tuple(_taken_up(was, now.get(was.cell.name, was)) for was in run.targets))
    )


def _restarted(was: Target, now: Target) -> list[str]:
    """What happened to a target between two sittings. Nothing can be said where one of them did not read it."""
    told = []
    if was.host.boot_id and now.host.boot_id and was.host.boot_id != now.host.boot_id:
        told.append(f"host {was.cell.host} was booted anew between two sittings of the run")
    elif was.server.started_at and now.server.started_at and was.server.started_at != now.server.started_at:
        told.append(f"the server was restarted between two sittings of the run, at {now.server.started_at}")
    return told


def _taken_up(was: Target, now: Target) -> Target:
    host = replace(was.host, boot_id=now.host.boot_id)
    return replace(was, host=host, server=replace(was.server, started_at=now.server.started_at))


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
        return "its container was made anew" if now.server.container_id else "its container was removed"
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
