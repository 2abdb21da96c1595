"""The Pulumi program as a function, for plain `pulumi up` (`__main__.py`) and for the Automation API (`stacks.lifecycle`)."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pulumi

from stacks import deploy, policy_enforcement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.records import Cell


def run(cells: Iterable[Cell], wanted: deploy.Wanted) -> None:
    """Deploy the cells and export where each one answers, and the keys as a secret. No resource may break a rule."""
    every = tuple(cells)
    with _without_collection():
        policy_enforcement.install(cell.cloud for cell in every)
        deployed = deploy.deploy(every, pulumi.get_stack(), wanted)
    pulumi.export("targets", deployed.targets)
    pulumi.export("credential", deployed.credential)


@contextmanager
def _without_collection() -> Iterator[None]:
    """No collection of garbage meanwhile, and none later of what there is then.

    An SDK's thousands of classes stay anyway, and to look through them again and again takes a fifth of its import.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
