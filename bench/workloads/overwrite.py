"""Objects written again under keys that exist: each costs the old one's removal too."""

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
        yield Op(name="overwrite", key=item.key, size_bytes=item.size_bytes)


KIND = WorkloadKind(name="overwrite", ready=ready_objects, plan=_plan, perform=ops.put, problem=needs_objects)
