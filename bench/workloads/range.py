"""Ranges from random places of objects that stand ready: seeks inside files, and a server's own way of reading parts.

A range is `part_size` long, but at most a quarter of the object, so that ranges differ from one another and from a get.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import ops
from bench.workload import Op, WorkloadKind, draw, needs_objects, ready_object, ready_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Workload


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    chance = draw(seed)
    size = max(1, min(workload.part_size_bytes, workload.object_size_bytes // 4))
    while True:
        item = ready_object(workload, chance.randrange(workload.objects))
        start = chance.randrange(item.size_bytes - size + 1)
        yield Op(name="range", key=item.key, size_bytes=size, start=start)


KIND = WorkloadKind(name="range", ready=ready_objects, plan=_plan, perform=ops.get_range, problem=needs_objects)
