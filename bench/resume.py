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

    from bench.records import Target

_VOLATILE = ("driver_status",)
"""Facts that change by themselves: some drivers tell their free space there."""


def rejoin(folder: Path, targets: Sequence[Target]) -> None:
    """Makes sure that the rest of a run would be measured on what the run began with, as read back now.

    Raises InputError for a stack that was made anew or changed: fresh disks and other engines in one comparison would be a lie.
    A block that is measured in two sittings is noted.
    """
    run, now = store.read(folder), {target.cell.name: target for target in targets}
    for was in run.targets:
        if difference := _difference(was, now.get(was.cell.name)):
            raise InputError(
                f"{was.cell.name} is not what this run began with: {difference}",
                where=str(folder),
                next_step="start a new run; what was measured is kept: cowbench report " + str(folder),
            )
    done = {result.trial.index for result in store.results(folder)}
    torn = {trial.block for trial in run.schedule if trial.index in done} & {t.block for t in run.schedule if t.index not in done}
    for block in torn:
        text = f"block {block + 1} was measured in two sittings; its pairs are further apart in time than others"
        store.note(folder, Finding(check="run", level="warning", cell="", text=text, fix="judge that block's dots with care"))


def _difference(was: Target, now: Target | None) -> str:
    if now is None:
        return "it does not stand any more"
    if was.server.container_id != now.server.container_id:
        return "its container was made anew"
    before, after = asdict(was.host), asdict(now.host)
    changed = [key for key in before if before[key] != after[key] and key not in _VOLATILE]
    return "; ".join(f"{key} was {before[key]}, is {after[key]}" for key in changed)
