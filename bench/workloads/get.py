"""Whole objects, chosen evenly among those that stand ready: mostly the page cache's speed unless they exceed memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import ops
from bench.workload import Op, WorkloadKind, draw, needs_objects, ready_object, ready_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Workload


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    chance = draw(seed)
    while True:
        item = ready_object(workload, chance.randrange(workload.objects))
        yield Op(name="get", key=item.key, size_bytes=item.size_bytes)


KIND = WorkloadKind(name="get", ready=ready_objects, plan=_plan, perform=ops.get, problem=needs_objects)
