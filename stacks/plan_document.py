"""The plan as a program reads it: cells with their kernels, machine images with their ids, what is left out, what it costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stacks import clouds, parts, settle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records import Cell
    from stacks.cost import Cost
    from stacks.kernels import Choice
    from stacks.matrix import Matrix
    from stacks.plan import Plan


def document(matrix: Matrix, plan: Plan, cost: Cost, images: Iterable[dict[str, str]]) -> dict[str, Any]:
    """Everything that the plan says, as JSON has it. `cost` is null where nothing is rented."""
    return {
        "matrix": matrix.name,
        "cells": [{**asdict(cell), "kernel": plan.kernel(cell)} for cell in plan.cells],
        "left_out": [asdict(left_out) for left_out in plan.left_out],
        "warnings": [asdict(warning) for warning in plan.warnings],
        "kernels": [_kernel(choice) for choice in plan.kernels],
        "images": list(images),
        "cost": {**asdict(cost), "budget": matrix.terms.budget, "currency": matrix.terms.currency} if cost.rented else None,
    }


def images(stack: str, cells: Iterable[Cell]) -> tuple[dict[str, str], ...]:
    """The machine images in accounts, each once: cloud, region, name, and the `id` where the stack has settled on one.

    An empty id is looked up by `up`, and then kept.
    """
    every = tuple(cells)
    known: dict[str, str] = {}
    for part in parts.split(stack, every):
        if settled := settle.read(part.name):
            known.update(settled.image_ids)
    rented = [cell for cell in every if clouds.load(cell.cloud).features.needs_account]
    found = dict.fromkeys((cell.cloud, cell.region, cell.machine_image) for cell in rented)
    return tuple(
        {"cloud": cloud, "region": region, "name": name, "id": known.get(f"{cloud}/{region}/{name}", "")}
        for cloud, region, name in found
    )


def _kernel(choice: Choice) -> dict[str, str | bool]:
    offer = choice.offer
    return {
        "cloud": choice.cloud,
        "wish": choice.wish,
        "machine_image": offer.machine_image if offer else "",
        "kernel": offer.kernel if offer else "",
        "or_newer": bool(offer and offer.at_least),
        "reason": choice.reason,
    }
