"""The plan as a program reads it: cells with their kernels, machine images with their ids, what is left out, what it costs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.errors import CowbenchError
from stacks import clouds, hosts, parts, settle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records import Cell, Generators
    from stacks.cost import Cost
    from stacks.kernels import Choice
    from stacks.matrix import Matrix
    from stacks.plan import Plan

_AT_ONCE = 8


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


def images(stack: str, cells: Iterable[Cell], generators: Generators | None) -> tuple[dict[str, str], ...]:
    """The machine images in accounts, each once: cloud, region, name, `id`, and `unknown`: why there is no id.

    The id is the one that the stack has settled on; else the cloud is asked for the newest, where its credentials are there.
    """
    every = tuple(cells)
    known: dict[str, str] = {}
    for part in parts.split(stack, every):
        if settled := settle.read(part.name):
            known.update(settled.image_ids)
    places = {
        (cloud, request.region, request.machine_image)
        for cloud, requests in hosts.by_cloud(stack, every, generators).items()
        if clouds.load(cloud).features.needs_account
        for request in requests
    }
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return tuple(pool.map(lambda place: _image(place, known.get("/".join(place), "")), sorted(places)))


def _image(place: tuple[str, str, str], known: str) -> dict[str, str]:
    cloud, region, name = place
    member, unknown = clouds.load(cloud), ""
    if not known:
        if problems := member.problems():
            unknown = problems[0]
        elif member.account:
            try:
                known = member.account.image_id(region, name)
            except CowbenchError as error:
                unknown = f"{error.what}: {error.next_step}"
    return {"cloud": cloud, "region": region, "name": name, "id": known, "unknown": unknown}


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
