"""Objects that stand ready, deleted in the order of their keys; they are put there anew before each trial.

When a server deletes faster than was expected the objects run out, the trial ends early and is stamped `ran_out`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import ops
from bench.workload import Op, WorkloadKind, needs_objects, ready_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Workload


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    del seed  # how many there are differs between targets, so only the order of keys gives all of them the same ops
    for item in ready_objects(workload):
        yield Op(name="delete", key=item.key, size_bytes=item.size_bytes)


KIND = WorkloadKind(name="delete", ready=ready_objects, plan=_plan, perform=ops.delete, uses_up=True, problem=needs_objects)
